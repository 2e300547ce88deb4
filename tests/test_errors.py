"""Of several errors the user reads the gravest first."""

from chaos.errors import FaultError, HarnessError, SetupError, worst


def test_one_error_is_itself() -> None:
    error = SetupError("no")

    assert worst(error) is error


def test_a_fault_that_was_not_undone_comes_before_anything() -> None:
    fault = FaultError("still cut")

    assert worst(ExceptionGroup("undo", [SetupError("first"), fault])) is fault


def test_what_went_wrong_first_is_the_cause_of_the_rest() -> None:
    first = SetupError("the agent is gone")
    group = ExceptionGroup("undo", [SetupError("the clients could not be stopped")])
    group.__context__ = first

    assert worst(group) is first


def test_an_error_that_is_none_of_ours_still_has_a_sentence() -> None:
    assert str(worst(KeyError("x"))) == "'x'"
    assert isinstance(worst(ValueError()), HarnessError)
