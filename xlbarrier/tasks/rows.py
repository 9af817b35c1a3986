"""What the rows of a task's files are."""

from typing import Any

Sheet = tuple[str, str]  # variant, language
AnswerRow = dict[str, Any]  # of a sheet of predictions: one item's answer
PromptRow = dict[str, Any]  # of a file of prompts
# Of results.json, without model, arm and task: variant, language, method, metric, the fields of
# `metrics.Estimate.as_row`, and `chance` if there is one.
NumberRow = dict[str, Any]
Lesson = dict[str, str]  # to train on, in a form of `qa.forms`
