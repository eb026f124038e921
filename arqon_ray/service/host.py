"""What the actors of releases before 0.2.0 import: they outlive an upgrade, and run the package that is installed then.

Ray pickles an actor's class by value, so such an actor keeps its own facade, which calls the study by the names of its
methods. Nothing else uses this module.
"""

from __future__ import annotations

from typing import Any

from arqon_ray.service.server.host import ActorSpec
from arqon_ray.service.server.host import StudyHost as _StudyHost
from arqon_ray.service.server.study import Study

Birth = ActorSpec


class StudyHost:
    """The host of a study, as those facades call it.

    Args:
        *arguments: those of :class:`.server.host.StudyHost`.
    """

    def __init__(self, *arguments: Any) -> None:
        self._host = _StudyHost(*arguments)
        self.begin, self.status = self._host.begin, self._host.status
        self.snapshot, self.stop = self._host.snapshot, self._host.stop

    def call(self, method: str, *args: Any, label: str | None = None, **kwargs: Any) -> Any:
        """Call a method of the study by its name; see :meth:`.server.host.StudyHost.call`."""

        def work(study: Study) -> Any:
            if method == "place":
                (params,) = args
                return study.ask_one(params=params, **kwargs)
            return getattr(study, method)(*args, **kwargs)

        return self._host.call(work, label, lambda: method)
