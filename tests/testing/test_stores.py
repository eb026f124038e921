"""Our own stores pass the conformance tests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from arqon_ray.service.storage.base import Store
from arqon_ray.service.storage.local import LocalStore
from arqon_ray.service.storage.objects import ObjectStore
from arqon_ray.testing.stores import StoreTestCase

if TYPE_CHECKING:
    from tests.service.s3 import S3Server

pytest_plugins = ["tests.service.s3"]


class TestLocalStore(StoreTestCase):
    def make(self, tmp_path: Path) -> Store:
        return LocalStore(tmp_path, "arqon")


class TestObjectStoreInAFolder(StoreTestCase):
    def make(self, tmp_path: Path) -> Store:
        return ObjectStore(f"file://{tmp_path}", "arqon")


class TestObjectStoreOnS3(StoreTestCase):
    uri: str

    @pytest.fixture(autouse=True)
    def _serve(self, s3: S3Server) -> None:
        self.uri = s3.uri

    def make(self, tmp_path: Path) -> Store:
        return ObjectStore(self.uri, "arqon")
