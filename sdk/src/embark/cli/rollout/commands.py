"""Every rollout command."""

from typing import Final

from embark.cli.rollout.plan import plan
from embark.cli.rollout.status import status
from embark.cli.rollout.steering import approve, pause, resume, rollback

ROLLOUT_COMMANDS: Final = (plan, approve, pause, resume, rollback, status)
