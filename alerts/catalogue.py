"""Every text an alert shows, Chinese first and English beside it: titles and the sentences of the reason.

The texts are derived from what is stored, so both languages of an old alert are always at hand. Nobody's name is in
them: devices by id, zones by kind.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Text = Mapping[str, str]


def _text(zh: str, en: str) -> Text:
    return {"zh-CN": zh, "en": en}


@dataclass(frozen=True, slots=True)
class RuleText:
    title: Text
    reason: Text


RULE_TEXTS: Mapping[str, RuleText] = {
    "sos": RuleText(
        _text("紧急呼叫", "Emergency call"),
        _text("紧急呼叫按钮被按下，请立即回拨。", "The emergency button was pressed. Call back at once."),
    ),
    "fall": RuleText(
        _text("跌倒报警", "Fall"),
        _text(
            "设备检测到跌倒，倒计时内没有人取消，请立即回拨。",
            "A device detected a fall and nobody cancelled its countdown. Call back at once.",
        ),
    ),
    "fall_suspected": RuleText(
        _text("疑似跌倒", "Suspected fall"),
        _text("设备检测到疑似跌倒。", "A device detected what may be a fall."),
    ),
    "smoke": RuleText(
        _text("烟雾报警", "Smoke alarm"),
        _text("烟感探测器报警，可能起火。", "A smoke detector is in alarm. There may be a fire."),
    ),
    "gas": RuleText(
        _text("燃气泄漏报警", "Gas alarm"),
        _text(
            "燃气探测器报警，请提醒老人不要开关电器和灯。",
            "A gas detector is in alarm. Nobody there should touch a switch.",
        ),
    ),
    "carbon_monoxide_alarm": RuleText(
        _text("一氧化碳报警", "Carbon monoxide alarm"),
        _text(
            "一氧化碳探测器报警，请让屋内的人立即离开。",
            "A carbon monoxide detector is in alarm. Everybody should leave the home at once.",
        ),
    ),
    "water_leak": RuleText(
        _text("水浸报警", "Water leak"),
        _text("水浸探测器报警，地面可能积水。", "A leak detector is wet. There may be water on the floor."),
    ),
    "battery": RuleText(
        _text("设备电量低", "Battery low"),
        _text(
            "设备电量只剩 {battery}%，请安排充电或更换。",
            "A device has {battery} % battery left. Charge or replace it.",
        ),
    ),
    "tamper": RuleText(
        _text("设备被拆动", "Device tampered with"),
        _text("设备报告被拆动或移位，可能已失去保护。", "A device reports tampering. It may not protect anybody now."),
    ),
    "device_flood": RuleText(
        _text("设备上报过于频繁", "Device sends too much"),
        _text(
            "设备长时间超量上报，超出部分已拒收（报警不受影响），可能已失去保护，请安排检修。",
            "A device keeps sending far more than it may: the excess is refused, alarms are not. Have it looked at.",
        ),
    ),
    "unreadable_alarm": RuleText(
        _text("无法识别的报警", "Unreadable alarm"),
        _text(
            "收到一条报警，但内容无法识别，不能排除有人求救，请回拨确认。",
            "An alarm arrived that can't be read. Somebody may need help: call and make sure.",
        ),
    ),
    # The platform about itself (alerts/platform): members of the value in braces.
    "platform_part_silent": RuleText(
        _text("平台部件无心跳", "Part of the platform silent"),
        _text(
            "平台部件 {part} 已 {seconds} 秒没有心跳，可能已停止工作，请值班技术人员立即检查。",
            "Part {part} of the platform gave no sign of life for {seconds} s. Have it checked at once.",
        ),
    ),
    "platform_broker_dropped": RuleText(
        _text("消息代理丢弃消息", "Broker drops messages"),
        _text(
            "消息代理丢弃了 {messages} 条消息，设备上报可能丢失，请检查接收服务与队列。",
            "The broker has dropped {messages} messages: what devices said may be lost. Check ingest and the queues.",
        ),
    ),
    "platform_spool": RuleText(
        _text("消息积压待入库", "Messages wait for the database"),
        _text(
            "{part} 有 {messages} 条消息暂存在本地等待入库，数据显示会延迟，请检查数据库。",
            "{part} keeps {messages} messages until the database takes them: data is late. Check the database.",
        ),
    ),
    "platform_disk": RuleText(
        _text("磁盘空间不足", "Disk space low"),
        _text(
            "{part} 所在磁盘只剩 {free_pct}% 可用空间，请尽快清理或扩容。",
            "Only {free_pct} % of the disk of {part} is free. Make room or enlarge it.",
        ),
    ),
    "platform_certificate": RuleText(
        _text("证书即将到期", "Certificate ends soon"),
        _text(
            "证书 {name} 将于 {ends} 到期（剩余 {days} 天），到期后设备将无法连接，请更换。",
            "The certificate {name} ends on {ends} (in {days} days); devices cannot connect then. Renew it.",
        ),
    ),
    "platform_accounting": RuleText(
        _text("收存对账不符", "Accounting does not close"),
        _text(
            "接收与入库对账有 {differences} 处不符，可能有数据丢失，请勿改动数据库并立即核查。",
            "{differences} sums of what came and what is stored do not close. Data may be lost: find out.",
        ),
    ),
}

_PRESSES = _text("已累计 {presses} 次。", "It has come {presses} times.")
_BOOST = _text("短时间内多次触发，请优先处理。", "It came several times in short order: handle it first.")
_DELAYED = _text("消息晚到 {delay}。", "The message arrived {delay} late.")
_CLOCK = _text("设备时钟不可信，时间以平台接收为准。", "The device's clock is wrong: the time is that of receipt.")
_SUSPECT = _text("设备标记此数据存疑。", "The device marks this value as doubtful.")
_PENDING = _text("正在等待老人确认。", "Waiting for the elder's answer.")
_UNANSWERED = _text(
    "老人没有在规定时间内确认平安，请立即回拨。", "The elder did not answer in time. Call back at once."
)
_OK_LIVE = _text(
    "老人已按“我没事”，降为一般预警，仍请回电确认。",
    "The elder pressed “I am fine”: lowered to a warning. Call back all the same.",
)
_OK_CLOSED = _text("老人已确认平安。", "The elder said that all is well.")
_CLEARED = _text(
    "探测器已恢复正常，仍须人工确认。", "The detector is back to normal; a person has to make sure and close."
)
_CLEARED_PLATFORM = _text(
    "状况已恢复正常，仍须人工确认后关闭。", "It is back to normal; a person has to make sure and close."
)
_SPOOL_FULL = _text(
    "暂存空间已满，新消息只能留在消息代理中。", "The spool is full: new messages can only stay at the broker."
)
_EXPIRED = _text("证书已经过期。", "The certificate has expired.")
_ZONE = _text("位置：{zone}。", "Place: {zone}.")
_UNCERTAIN: Mapping[str, Text] = {
    "unknown_child": _text(
        "发出求救的子设备 {claimed} 没有登记在网关 {device} 下，身份待确认，按真实求救处理。",
        "Child device {claimed} is not registered under hub {device}: it is unknown who calls. Treat it as real.",
    ),
    "unknown_device": _text(
        "设备 {device} 没有登记，身份待确认，按真实求救处理。",
        "Device {device} is not registered: it is unknown who calls. Treat it as real.",
    ),
    "retired_device": _text(
        "设备 {device} 已停用但仍在求救，身份待确认，按真实求救处理。",
        "Device {device} is retired and still calls: it is unknown who calls. Treat it as real.",
    ),
}
_UNCERTAIN_OTHER = _text(
    "设备 {device} 的消息有误（{code}），内容待确认，按真实求救处理。",
    "The message of device {device} is faulty ({code}). Treat it as real.",
)
# Zones as the contract's devices may name them; any other is shown as it came.
_ZONES: Mapping[str, Text] = {
    "bedroom": _text("卧室", "bedroom"),
    "bathroom": _text("卫生间", "bathroom"),
    "kitchen": _text("厨房", "kitchen"),
    "living": _text("客厅", "living room"),
    "entrance": _text("门口", "entrance"),
    "outdoor": _text("户外", "outdoors"),
}
CALL_BACK_NOTE = _text(
    "老人按了“我没事”。请回电确认后再关闭。", "The elder pressed “I am fine”. Call back before closing."
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the reason is made of; all of it is stored with the alert."""

    rule: str
    status: str
    severity: str
    presses: int
    boost: bool
    delayed_s: int | None
    clock_suspect: bool
    evidence: Sequence[Mapping[str, Any]]


def title(rule: str, locale: str) -> str:
    """The rule's title. A rule of a newer version, which this one does not know, is shown by its id."""
    texts = RULE_TEXTS.get(rule)
    return rule if texts is None else texts.title[_known(locale)]


def reason(facts: Facts, locale: str) -> str:
    """One sentence or more in `locale` (zh-CN or en; any other gets zh-CN)."""
    locale = _known(locale)
    cries = [item for item in facts.evidence if item["type"] != "elder_ok" and not item.get("cleared")]
    newest: Mapping[str, Any] = cries[-1] if cries else {}
    sentences = [_rule_sentence(facts.rule, newest, locale), *_qualities(facts, newest, locale)]
    sentences += [text[locale] for text in _answers(facts)]
    return (" " if locale == "en" else "").join(sentence for sentence in sentences if sentence)


def _rule_sentence(rule: str, newest: Mapping[str, Any], locale: str) -> str:
    texts = RULE_TEXTS.get(rule)
    if texts is None:
        return rule
    value = newest.get("value")
    if rule.startswith("platform_"):
        return _platform_sentence(texts.reason[locale], value if isinstance(value, Mapping) else {}, locale)
    return texts.reason[locale].replace("{battery}", f"{value:g}" if isinstance(value, int | float) else "?")


def _platform_sentence(text: str, value: Mapping[str, Any], locale: str) -> str:
    """A member that an older or newer version did not store shows as a question mark."""
    sentence = re.sub(r"\{([a-z_]+)\}", lambda found: str(value.get(found[1], "?")), text)
    more = [told[locale] for name, told in (("full", _SPOOL_FULL), ("expired", _EXPIRED)) if value.get(name)]
    return (" " if locale == "en" else "").join([sentence, *more])


def _qualities(facts: Facts, newest: Mapping[str, Any], locale: str) -> list[str]:
    found = []
    if zone := newest.get("zone"):
        found.append(_ZONE[locale].replace("{zone}", _ZONES.get(zone, {}).get(locale, zone)))
    if facts.presses > 1:
        found.append(_PRESSES[locale].replace("{presses}", str(facts.presses)))
    if facts.boost:
        found.append(_BOOST[locale])
    if facts.delayed_s is not None:
        found.append(_DELAYED[locale].replace("{delay}", _duration(facts.delayed_s, locale)))
    if facts.clock_suspect:
        found.append(_CLOCK[locale])
    if newest.get("suspect"):
        found.append(_SUSPECT[locale])
    if code := newest.get("uncertain"):
        text = _UNCERTAIN.get(code, _UNCERTAIN_OTHER)[locale].replace("{code}", code)
        claimed = str(newest.get("claimed_device") or "?")
        found.append(text.replace("{device}", str(newest.get("device_id"))).replace("{claimed}", claimed))
    return found


def _answers(facts: Facts) -> list[Text]:
    """What the elder or the detector said after the cry."""
    if facts.rule == "fall_suspected" and facts.status == "pending_confirm":
        return [_PENDING]
    last = facts.evidence[-1] if facts.evidence else {}
    if last.get("type") == "elder_ok":
        return [_OK_CLOSED if facts.status == "closed" else _OK_LIVE]
    if facts.rule == "fall_suspected":
        return [_UNANSWERED]
    if last.get("cleared") and facts.status != "closed":
        return [_CLEARED_PLATFORM if facts.rule.startswith("platform_") else _CLEARED]
    return []


def _duration(seconds: int, locale: str) -> str:
    """Whole minutes below two hours, whole hours below two days, then days."""
    for size, zh, en in ((86400, "天", "days"), (3600, "小时", "hours")):
        if seconds >= 2 * size:
            return f"{seconds // size} {zh if locale == 'zh-CN' else en}"
    return f"{seconds // 60} {'分钟' if locale == 'zh-CN' else 'minutes'}"


def _known(locale: str) -> str:
    return locale if locale in ("zh-CN", "en") else "zh-CN"
