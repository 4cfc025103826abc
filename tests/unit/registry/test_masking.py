"""What is shown of a person without a reason."""

import pytest

from registry.masking import building_of, mask_id_no, mask_name, mask_phone


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("芳", "*"),
        ("张芳", "张*"),
        ("张小芳", "张*芳"),
        ("欧阳小芳", "欧**芳"),
        ("买买提·艾力", "买****力"),
        ("Ann", "A***"),
        ("Ann Smith", "A*** S***"),
        ("Zoë O'Hara", "Z*** O*** H***"),
        (" 张小芳 ", "张*芳"),
        ("", "*"),
    ],
)
def test_a_name_keeps_what_tells_two_alerts_apart_and_no_more(name, shown):
    assert mask_name(name) == shown


@pytest.mark.parametrize(
    ("phone", "shown"),
    [
        ("13800001234", "138****1234"),
        ("+86 138 0000 1234", "138****1234"),
        ("0791-88001234", "079*****1234"),
        ("88001234", "******34"),
        ("120", "***"),
    ],
)
def test_a_phone_keeps_its_ends(phone, shown):
    assert mask_phone(phone) == shown


def test_an_identity_number_keeps_one_character_at_each_end():
    assert mask_id_no("370101190102039978") == "3" + "*" * 16 + "8"
    assert mask_id_no("12345") == "*****"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("云溪市松岭县青石镇桂花社区安居小区3栋2单元501室", "云溪市松岭县青石镇桂花社区安居小区3栋"),
        ("幸福路12号阳光花园A座1801", "幸福路12号阳光花园A座"),
        ("人民路5号院12号楼3单元101", "人民路5号院12号楼"),
        ("云溪市松岭县青石镇杏花村3组18号", "云溪市松岭县青石镇杏花村3组"),
        ("青石镇杏花村18号", "青石镇杏花村"),
        ("滨河小区甲单元", "滨河小区"),
        ("12 Harbour Street", ""),
        ("解放路88号", ""),
        ("", ""),
    ],
)
def test_an_address_ends_where_it_would_name_a_home(address, shown):
    assert building_of(address) == shown
