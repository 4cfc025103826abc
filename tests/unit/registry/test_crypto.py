"""Cipher texts are bound to their key and field, indexes say nothing without the key, the seal hangs on everything."""

import base64
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigurationError
from core.runtime.crypto import Keyring, Unreadable, normalise
from core.runtime.settings import KeySettings

KEYRING = Keyring(bytes(range(32)), "k1")
KEY_ID, OTHER_ID = UUID(int=1), UUID(int=2)


@given(st.text())
def test_a_text_comes_back_from_its_cipher_text_and_is_not_in_it(text: str):
    key = KEYRING.new_data_key(KEY_ID)
    blob = key.encrypt(text, field="name")
    assert key.decrypt(blob, field="name") == text
    assert len(text) < 4 or text.encode() not in blob


def test_two_cipher_texts_of_one_name_differ_while_their_index_is_the_same():
    one, other = KEYRING.new_data_key(KEY_ID), KEYRING.new_data_key(OTHER_ID)
    assert one.encrypt("张小芳", field="name") != one.encrypt("张小芳", field="name")
    assert one.encrypt("张小芳", field="name") != other.encrypt("张小芳", field="name")
    assert KEYRING.blind_index("name", "张小芳") == KEYRING.blind_index("name", " 张小芳 ")


def test_a_cipher_text_moved_to_another_field_or_row_or_changed_by_a_bit_cannot_be_read():
    key = KEYRING.new_data_key(KEY_ID)
    blob = key.encrypt("13800001234", field="phone")
    moved = KEYRING.unwrap(KEY_ID, KEYRING.wrap(key), "k1")
    assert moved.decrypt(blob, field="phone") == "13800001234"
    with pytest.raises(Unreadable):
        key.decrypt(blob, field="name")
    with pytest.raises(Unreadable):
        type(key)(OTHER_ID, key._secret).decrypt(blob, field="phone")
    for at in (0, 5, len(blob) - 1):
        changed = bytearray(blob)
        changed[at] ^= 1
        with pytest.raises(Unreadable):
            key.decrypt(bytes(changed), field="phone")
    with pytest.raises(Unreadable):
        key.decrypt(b"", field="phone")


def test_a_wrapped_key_opens_only_for_its_id_and_its_master_key():
    key = KEYRING.new_data_key(KEY_ID)
    wrapped = KEYRING.wrap(key)
    assert key._secret not in wrapped
    with pytest.raises(Unreadable):
        KEYRING.unwrap(OTHER_ID, wrapped, "k1")
    with pytest.raises(Unreadable):
        Keyring(bytes(32), "k1").unwrap(KEY_ID, wrapped, "k1")
    with pytest.raises(ConfigurationError, match="'k1'"):
        Keyring(bytes(range(32)), "k2").unwrap(KEY_ID, wrapped, "k1")


def test_a_data_key_never_shows_its_bytes():
    key = KEYRING.new_data_key(KEY_ID)
    assert "secret" not in repr(key)
    assert key._secret.hex() not in repr(key)


def test_an_index_differs_by_kind_and_by_master_key():
    other = Keyring(bytes(32), "k1")
    assert KEYRING.blind_index("name", "19900001234") != KEYRING.blind_index("phone", "19900001234")
    assert KEYRING.blind_index("phone", "19900001234") != other.blind_index("phone", "19900001234")


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("phone", "+86 199-0000-1234", "19900001234"),
        ("phone", "１９９００００１２３４", "19900001234"),
        ("id_no", "11010519491231002x", "11010519491231002X"),
        ("name", "Ann  SMITH", "ann smith"),
        ("name", "张 芳", "张芳"),
    ],
)
def test_spellings_of_one_value_have_one_index(kind, one, other):
    assert normalise(kind, one) == normalise(kind, other)
    assert KEYRING.blind_index(kind, one) == KEYRING.blind_index(kind, other)


def test_a_seal_hangs_on_the_previous_head_and_on_every_row_byte():
    head = KEYRING.seal(b"", b"row 1")
    assert head != KEYRING.seal(b"", b"row 2")
    assert KEYRING.seal(head, b"row 3") != KEYRING.seal(b"", b"row 3")
    assert KEYRING.seal(b"ab", b"c") != KEYRING.seal(b"a", b"bc")


def test_a_master_key_that_is_not_32_bytes_of_base64url_is_refused_with_a_sentence():
    def keyring(text: str) -> Keyring:
        return Keyring.from_settings(KeySettings(master_key=text, token_secret="t" * 32))

    good = base64.urlsafe_b64encode(bytes(range(32))).decode()
    assert keyring(good).blind_index("name", "a") == keyring(good.rstrip("=")).blind_index("name", "a")
    with pytest.raises(ConfigurationError, match="32 bytes"):
        keyring(base64.urlsafe_b64encode(bytes(40)).decode())
    with pytest.raises(ConfigurationError, match="base64url"):
        keyring("é" * 50)
