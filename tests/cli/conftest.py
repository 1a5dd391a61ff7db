# SPDX-License-Identifier: Apache-2.0
from own_training import training  # noqa: F401
from started_tools import eventually, nothing_left_running, start, tool, tool_json, work  # noqa: F401
