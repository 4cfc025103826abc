"""Passwords of devices: random, and hashed the way Mosquitto reads them."""

import base64
import hashlib
import re

from registry.credentials import ROUNDS, hash_password, new_password
from registry.device_models import SEED_MODELS
from registry.devices import DeviceSpec, new_device_id


def test_a_password_is_160_random_bits_that_need_no_quoting():
    made = {new_password() for _ in range(200)}
    assert len(made) == 200
    assert all(re.fullmatch("[a-z2-7]{32}", password) for password in made)


def test_the_hash_is_pbkdf2_sha512_in_mosquittos_form():
    kind, rounds, salt, digest = hash_password("secret", salt=b"123456789012").split("$")[1:]
    assert (kind, int(rounds), base64.b64decode(salt)) == ("7", ROUNDS, b"123456789012")
    assert base64.b64decode(digest) == hashlib.pbkdf2_hmac("sha512", b"secret", b"123456789012", ROUNDS)


def test_the_same_password_never_hashes_alike():
    assert hash_password("secret") != hash_password("secret")


def test_a_generated_id_has_nothing_that_is_misread_from_a_sticker():
    made = {new_device_id() for _ in range(500)}
    assert len(made) == 500
    assert all(re.fullmatch("dv-[2-9a-hjkmnp-z]{8}", device_id) for device_id in made)


def test_a_child_has_no_credential_of_its_own_unless_asked():
    assert DeviceSpec("hub").needs_credential
    assert not DeviceSpec("pir", hub_id="h1").needs_credential
    assert DeviceSpec("pir", hub_id="h1", with_credential=True).needs_credential


def test_seed_models_have_different_names():
    assert len({model.name for model in SEED_MODELS}) == len(SEED_MODELS) >= 12
