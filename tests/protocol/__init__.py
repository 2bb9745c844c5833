"""Tests of the wire: values in, values out. They import `protocol` and the independent libraries it is judged by."""
