"""The third party's own tests run where its distribution is installed: tests/contract/test_packaging.py."""

collect_ignore = ["thirdparty"]
