"""An EmbArk that goes over to other spaces while it answers: in one process nothing has to listen anew."""

from embark.settings import EmbArkSettings
from embark.spec import Oov
from embark_server.oov import MeanRenewal
from embark_server.server import EmbArkServer
from embark_server.spaces import ServedSpaces


class SwitchingEmbArk(EmbArkServer):
    """The look-up server, with a switch; connections, calls in flight and the port stay."""

    def switch(self, settings: EmbArkSettings) -> None:
        """Serve the spaces of `settings` from now on; of nothing else in them account is taken.

        A request picks its space once, so each is answered from the old one or from the new one as a whole.
        """
        # One update of a dict is one step for every other thread: none sees the parts of two sets of spaces.
        vars(self._spaces).update(vars(ServedSpaces(settings)))
        self._means.stop()
        self._means = MeanRenewal([self._renewal(served) for served in self._spaces])
        if settings.oov is Oov.MEAN:
            self._means.start()
