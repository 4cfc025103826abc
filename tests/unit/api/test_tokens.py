from datetime import UTC, datetime, timedelta
from uuid import uuid4

import jwt
import pytest

from api.tokens import AUDIENCE, ISSUER, AccessToken, TokenInvalid, read_access_token, sign_access_token

NOW = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
SECRET = "0123456789abcdef0123456789abcdef"


def a_token(life: timedelta = timedelta(minutes=15)) -> AccessToken:
    return AccessToken(uuid4(), uuid4(), 3, NOW + life)


def test_a_token_says_whose_it_is_and_carries_no_role():
    token = a_token()
    text = sign_access_token(token, SECRET, NOW)
    assert read_access_token(text, SECRET, NOW) == token
    claims = jwt.decode(text, options={"verify_signature": False})
    assert set(claims) == {"iss", "aud", "iat", "exp", "sub", "sid", "sv"}


def test_a_token_ends_with_its_last_second():
    text = sign_access_token(a_token(), SECRET, NOW)
    assert read_access_token(text, SECRET, NOW + timedelta(seconds=899))
    with pytest.raises(TokenInvalid) as caught:
        read_access_token(text, SECRET, NOW + timedelta(seconds=900))
    assert caught.value.code == "token-expired"


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "é", "." * 3000])
def test_what_is_no_token_is_refused(text: str):
    with pytest.raises(TokenInvalid) as caught:
        read_access_token(text, SECRET, NOW)
    assert caught.value.code == "token-invalid"


def test_another_secret_another_audience_and_no_signature_are_refused():
    claims = {"iss": ISSUER, "aud": AUDIENCE, "iat": 0, "exp": 4e9, "sub": str(uuid4()), "sid": str(uuid4()), "sv": 1}
    good = jwt.encode(claims, SECRET, algorithm="HS256")
    assert read_access_token(good, SECRET, NOW).scope_version == 1
    wrong = [
        jwt.encode(claims, "f" * 32, algorithm="HS256"),
        jwt.encode({**claims, "aud": "other"}, SECRET, algorithm="HS256"),
        jwt.encode({**claims, "iss": "other"}, SECRET, algorithm="HS256"),
        jwt.encode(claims, "", algorithm="none"),
        jwt.encode({**claims, "sub": "root"}, SECRET, algorithm="HS256"),
        jwt.encode({**claims, "exp": 1e300}, SECRET, algorithm="HS256"),
        *(jwt.encode({k: v for k, v in claims.items() if k != left_out}, SECRET) for left_out in claims),
    ]
    for text in wrong:
        with pytest.raises(TokenInvalid):
            read_access_token(text, SECRET, NOW)
