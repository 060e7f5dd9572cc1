"""The full names of the gRPC services, as their descriptors have them."""

from embark.v1 import embark_pb2, retina_pb2

EMBARK_SERVICE: str = embark_pb2.DESCRIPTOR.services_by_name["EmbArkService"].full_name
RETINA_SERVICE: str = retina_pb2.DESCRIPTOR.services_by_name["RetinaService"].full_name
