"""When the client asks for new credentials."""

import base64
import json
import time

import httpx
import pytest

from sluice_client import Token
from sluice_client.credentials import Credentials
from sluice_client.effects import Call, Program
from sluice_client.errors import NotRefreshed


def jwt(**claims: object) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{payload}.c2ln"


def run(program: Program[None]) -> None:
    try:
        effect = next(program)
        while True:
            assert isinstance(effect, Call)
            try:
                reply = effect.function(*effect.arguments)
            except Exception as error:  # noqa: BLE001 - as a driver does
                effect = program.throw(error)
            else:
                effect = program.send(reply)
    except StopIteration:
        pass


def test_the_end_is_read_from_a_token_and_from_nothing_else() -> None:
    assert Credentials(jwt(exp=1_800_000_000)).expires_at == 1_800_000_000
    assert Credentials(Token("opaque", 5)).expires_at == 5
    others = ["slk_key", "a.b.c", jwt(), jwt(exp="x"), jwt(exp=None), jwt(exp=10**400), "e30.W10.c2ln", "." * 3]
    assert [Credentials(other).expires_at for other in others] == [None] * len(others)


@pytest.mark.parametrize(("lasts", "early"), [(3_600, 60), (100, 20), (1, 0.2)])
def test_new_ones_are_due_a_minute_before_the_end_or_at_four_fifths(lasts: float, early: float) -> None:
    credentials = Credentials(Token("t", time.time() + lasts))

    assert credentials.due_in_s(60) == pytest.approx(lasts - early, abs=0.1)


def test_the_function_is_called_once_until_its_token_is_due() -> None:
    given = [Token("a", time.time() + 3_600), Token("b", time.time() - 1), Token("c")]
    credentials = Credentials(lambda: given.pop(0))
    run(credentials.before_request(60))
    run(credentials.before_request(60))
    assert credentials.header() == {"Authorization": "Bearer a"}

    run(credentials.refresh())
    run(credentials.before_request(60))
    assert credentials.value == "c"


def test_a_ticket_is_new_for_each_connection_and_in_no_header() -> None:
    given = ["one", "two"]
    credentials = Credentials(ticket=lambda: given.pop(0))
    run(credentials.before_request(60))
    run(credentials.before_request(60))

    assert (credentials.value, credentials.header()) == ("two", {})


def test_a_token_from_a_file_may_end_with_a_line_feed() -> None:
    assert Credentials("slk_key\n").header() == {"Authorization": "Bearer slk_key"}
    assert Credentials(Token(" opaque\r\n")).header() == {"Authorization": "Bearer opaque"}


def test_two_credentials_are_refused() -> None:
    with pytest.raises(ValueError, match="not both"):
        Credentials("a", "b")


@pytest.mark.parametrize("failure", [ConnectionError("away"), httpx.ConnectTimeout("late")])
def test_a_login_that_is_away_is_no_refusal(failure: Exception) -> None:
    def away() -> str:
        raise failure

    with pytest.raises(NotRefreshed):
        run(Credentials(away).refresh())


def test_any_other_error_of_the_function_reaches_the_application() -> None:
    def broken() -> str:
        raise LookupError("logged out")

    with pytest.raises(LookupError):
        run(Credentials(broken).refresh())
