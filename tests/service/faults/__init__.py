import pytest

# So that an assertion of the audit says what it compared, as those of a test do.
pytest.register_assert_rewrite("tests.service.faults.audit")
