"""Labels of every code the API uses, Chinese and English, so that all screens say the same words.

A code that is missing here is shown as it is; tests hold these tables against the enums and tables they label.
"""

from collections.abc import Mapping

from alerts.catalogue import RULE_TEXTS
from core.domain.event_types import EVENT_TYPES
from core.domain.metrics import METRICS

_STATUSES = {
    "pending_confirm": ("等待确认", "awaiting confirmation"),
    "open": ("待接", "open"),
    "acknowledged": ("已接警", "acknowledged"),
    "verifying": ("研判中", "verifying"),
    "dispatched": ("已派单", "dispatched"),
    "on_scene": ("已到场", "on scene"),
    "resolved": ("已处理", "resolved"),
    "closed": ("已结案", "closed"),
}
_SEVERITIES = {
    "p0": ("紧急 P0", "urgent P0"),
    "p1": ("较急 P1", "high P1"),
    "p2": ("注意 P2", "warning P2"),
    "p3": ("提示 P3", "notice P3"),
}
_ROLES = {
    "admin": ("管理员", "administrator"),
    "operator": ("坐席", "operator"),
    "shift_supervisor": ("班长", "shift supervisor"),
    "responder": ("助老员", "responder"),
    "visitor": ("探访员", "visitor"),
    "family_member": ("家属", "family member"),
    "regulator": ("监管人员", "regulator"),
}
_EVENT_TYPES = {
    "sos": ("求助", "SOS"),
    "elder_ok": ("我没事", "“I am fine”"),
    "help_request": ("服务请求", "service request"),
    "fall": ("跌倒", "fall"),
    "fall_suspected": ("疑似跌倒", "suspected fall"),
    "smoke": ("烟雾", "smoke"),
    "gas": ("燃气", "gas"),
    "carbon_monoxide_alarm": ("一氧化碳报警", "carbon monoxide alarm"),
    "water_leak": ("水浸", "water leak"),
    "carbon_monoxide": ("一氧化碳", "carbon monoxide"),
    "heart_rate": ("心率", "heart rate"),
    "spo2": ("血氧", "blood oxygen"),
    "respiratory_rate": ("呼吸", "breathing rate"),
    "body_temperature": ("体温", "body temperature"),
    "blood_pressure": ("血压", "blood pressure"),
    "glucose": ("血糖", "blood glucose"),
    "steps": ("步数", "steps"),
    "worn": ("佩戴", "worn"),
    "position": ("位置", "position"),
    "motion": ("活动", "motion"),
    "presence": ("有人", "presence"),
    "contact": ("门窗", "door or window"),
    "bed": ("床", "bed"),
    "posture": ("姿势", "posture"),
    "temperature": ("室温", "room temperature"),
    "humidity": ("湿度", "humidity"),
    "illuminance": ("照度", "light"),
    "water_meter": ("水表", "water meter"),
    "gas_meter": ("燃气表", "gas meter"),
    "power_meter": ("电表", "power meter"),
    "medication": ("服药", "medication"),
    "battery": ("电量", "battery"),
    "mains": ("市电", "mains power"),
    "tamper": ("被拆动", "tampering"),
    "fault": ("故障", "fault"),
    "self_test": ("自检", "self-test"),
    "heartbeat": ("心跳", "heartbeat"),
}
_METRICS = {
    **{metric.name: _EVENT_TYPES[metric.name] for metric in METRICS if metric.name in _EVENT_TYPES},
    "systolic": ("收缩压", "systolic pressure"),
    "diastolic": ("舒张压", "diastolic pressure"),
    "pulse": ("脉搏", "pulse"),
}
_ALERT_EVENTS = {
    "alert.pending": ("等待老人确认", "awaiting the elder"),
    "alert.opened": ("报警", "opened"),
    "alert.pressed": ("再次触发", "pressed again"),
    "alert.upgraded": ("升级", "upgraded"),
    "alert.downgraded": ("降级", "downgraded"),
    "alert.condition_cleared": ("探测器恢复", "detector back to normal"),
    "alert.acknowledged": ("接警", "acknowledged"),
    "alert.released": ("放回", "released"),
    "alert.taken_over": ("接管", "taken over"),
    "alert.assisted": ("协助", "assisted"),
    "alert.called": ("通话", "call"),
    "alert.verified": ("研判", "verified"),
    "alert.dispatched": ("派单", "dispatched"),
    "alert.arrived": ("到场", "arrived"),
    "alert.resolved": ("处理完成", "resolved"),
    "alert.closed": ("结案", "closed"),
    "alert.reopened": ("重开", "reopened"),
    "alert.noted": ("备注", "note"),
    "alert.provisional": ("报警（未入库）", "alert, not yet stored"),
}
# The words a person closes with (domain 3.4); the last two are the platform's own.
_CLOSE_CODES = {
    "helped": ("已救助", "help was given"),
    "no_help_needed": ("无需救助", "no help was needed"),
    "handed_over": ("已移交", "handed over"),
    "false_alarm": ("误报", "false alarm"),
    "accidental_press": ("误按", "pressed by accident"),
    "bathing": ("洗澡", "bathing"),
    "visitor": ("有访客", "visitor"),
    "pet": ("宠物", "pet"),
    "cooking": ("做饭", "cooking"),
    "device_fault": ("设备故障", "device fault"),
    "forgot_away": ("外出未报", "away without notice"),
    "test": ("测试", "test"),
    "other": ("其他", "other"),
    "cancelled_by_elder": ("老人取消", "cancelled by the elder"),
    "auto_cleared": ("自动恢复", "cleared by itself"),
}
_PLATFORM_CODES = frozenset({"cancelled_by_elder", "auto_cleared"})
_OUTCOMES = {
    "safe_at_home": ("在家平安", "safe at home"),
    "helped_on_scene": ("现场已帮助", "helped on the scene"),
    "taken_to_hospital": ("送医", "taken to hospital"),
    "handed_over": ("已移交", "handed over"),
    "false_alarm": ("误报", "false alarm"),
    "not_reached": ("未能联系", "could not be reached"),
    "other": ("其他", "other"),
}
_CALL_RESULTS = {
    "answered_ok": ("接通，平安", "answered, fine"),
    "answered_help": ("接通，需要帮助", "answered, needs help"),
    "no_answer": ("无人接听", "no answer"),
    "refused": ("拒接", "refused"),
    "wrong": ("打错", "wrong number"),
}
_VERDICTS = {
    "real": ("真实", "real"),
    "false": ("误报", "false"),
    "no_answer": ("无人应答，按真实处理", "no answer, treated as real"),
}
_SERVICES = {"120": ("120 急救", "120 ambulance"), "119": ("119 消防", "119 fire"), "110": ("110 公安", "110 police")}
_PARTIES = {"elder": ("老人", "elder"), "family": ("家属", "family"), "neighbour": ("邻居", "neighbour")}
_ACTOR_KINDS = {
    "device": ("设备", "device"),
    "system": ("平台", "platform"),
    "account": ("人员", "staff"),
    "elder": ("老人", "elder"),
}
_VALUES = {
    "true": ("是", "yes"),
    "false": ("否", "no"),
    "lying": ("躺", "lying"),
    "sitting": ("坐", "sitting"),
    "standing": ("站", "standing"),
    "floor": ("在地上", "on the floor"),
    "taken": ("已服", "taken"),
    "missed": ("漏服", "missed"),
}
_VALUE_FIELDS = {
    "open": ("打开", "open"),
    "occupied": ("在床", "occupied"),
    "count": ("人数", "people"),
    "confidence": ("置信度", "confidence"),
    "ok": ("正常", "ok"),
    "dose": ("剂次", "dose"),
    "slot": ("时段", "slot"),
    "code": ("代码", "code"),
}
_REASONS = {
    "malformed_json": ("不是有效的 JSON", "not valid JSON"),
    "too_large": ("消息过大", "message too large"),
    "too_many_events": ("事件过多", "too many events"),
    "unknown_type": ("未知类型", "unknown type"),
    "bad_value": ("取值不对", "wrong value"),
    "out_of_range": ("超出范围", "out of range"),
    "time_out_of_range": ("时间超出范围", "time out of range"),
    "unknown_device": ("设备未登记", "unknown device"),
    "retired_device": ("设备已停用", "retired device"),
    "unknown_child": ("子设备未登记", "unknown child device"),
    "wrong_lane": ("通道不对", "wrong lane"),
    "rate_limited": ("过于频繁", "rate limited"),
}

Labels = dict[str, dict[str, str]]


def dictionary() -> dict[str, Labels]:
    """{group: {code: {"zh", "en"}}}. `close_codes` are those a person may choose, `close_codes_all` all there are."""
    rules = {rule: (text.title["zh-CN"], text.title["en"]) for rule, text in RULE_TEXTS.items()}
    chosen = {code: text for code, text in _CLOSE_CODES.items() if code not in _PLATFORM_CODES}
    tables: dict[str, Mapping[str, tuple[str, str]]] = {
        "statuses": _STATUSES,
        "severities": _SEVERITIES,
        "rules": rules,
        "roles": _ROLES,
        "event_types": {event_type.name: _EVENT_TYPES[event_type.name] for event_type in EVENT_TYPES},
        "metrics": {metric.name: _METRICS[metric.name] for metric in METRICS},
        "alert_events": _ALERT_EVENTS,
        "close_codes": chosen,
        "close_codes_all": _CLOSE_CODES,
        "outcomes": _OUTCOMES,
        "call_results": _CALL_RESULTS,
        "verdicts": _VERDICTS,
        "services": _SERVICES,
        "parties": _PARTIES,
        "actor_kinds": _ACTOR_KINDS,
        "values": _VALUES,
        "value_fields": _VALUE_FIELDS,
        "rejection_reasons": _REASONS,
    }
    return {group: {code: {"zh": zh, "en": en} for code, (zh, en) in table.items()} for group, table in tables.items()}
