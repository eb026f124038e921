"""A study whose log lies in a bucket is opened by its URI."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from arqon_ray import StateError, open_run
from arqon_ray.service.log.manifest import write_study
from arqon_ray.service.server.study import Study
from arqon_ray.service.storage.objects import ObjectStore
from tests.report.runs import STUDY

if TYPE_CHECKING:
    from tests.service.s3 import S3Server

pytest_plugins = ["tests.service.s3"]


def test_a_study_in_a_bucket_opens_by_its_uri_and_by_its_storage_path(s3: S3Server) -> None:
    uri = s3.uri
    root, options = uri.split("?")
    store = ObjectStore(uri, "s")
    write_study(store, "0" * 32, STUDY)
    study = Study.open(store, {"pid": 1, "node": "n", "actor": "a"})
    for candidate in study.ask(3, key="ask")[:2]:
        study.tell(candidate["id"], candidate["params"]["x"])
    run = open_run(f"{root}/s?{options}")
    assert (run.name, len(run.evaluations), len(run.running)) == ("s", 2, 1)
    assert open_run(uri) == run
    study.tell("2", 0.5)
    assert len(open_run(uri).evaluations) == 3
    study.close(RuntimeError("over"))
    with pytest.raises(StateError, match="holds no study"):
        open_run(f"{root}-other?{options}")
    with pytest.raises(StateError, match="there is no bucket"):
        open_run(f"s3://nowhere/folder?{options}")
