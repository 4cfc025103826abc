"""Every sentence the API says to a person, in both languages: one catalogue, same keys, tested.

`PROBLEMS`: code → (title, detail). `RULES`: the rule of a 422 error → sentence. `{name}` is filled from values.
"""

from typing import Any, Literal

Language = Literal["zh-CN", "en"]
LANGUAGES: tuple[Language, ...] = ("zh-CN", "en")
FIRST: Language = "zh-CN"

_ZH: dict[str, tuple[str, str]] = {
    "token-missing": ("需要登录", "请求没有带登录凭证，请先登录。"),
    "token-invalid": ("登录凭证无效", "登录凭证无法识别，请重新登录。"),
    "token-expired": ("登录已过期", "登录已过期，请续期或重新登录。"),
    "session-ended": ("登录已结束", "此登录已退出、被撤销或账号已停用，请重新登录。"),
    "bad-credentials": ("登录失败", "用户名或密码不正确。"),
    "refresh-invalid": ("无法续期", "续期凭证无效或已过期，请重新登录。"),
    "refresh-reused": ("登录已撤销", "续期凭证被重复使用，为安全起见此登录已撤销，请重新登录。"),
    "forbidden": ("没有权限", "您的角色不能执行此操作。"),
    "not-found": ("找不到", "没有这个对象，或者不在您的管理范围内。"),
    "method-not-allowed": ("方法不适用", "此地址不支持这种请求方法。"),
    "conflict": ("状态冲突", "对象当前的状态不允许此操作。"),
    "alert-held": ("已有人接警", "{held_by} 已在 {since} 接警。"),
    "alert-changed": ("刚被修改", "警情刚被其他人修改，请刷新后再试。"),
    "wrong-status": ("状态不允许", "警情当前的状态不允许此操作，请刷新后再看。"),
    "not-held": ("您未接此警", "只有接警人可以这样做；请先接警或接管。"),
    "newer-alert-live": ("已有新的警情", "同类警情已有更新的一起正在处理，请处理那一起。"),
    "reopen-too-late": ("已超过期限", "结案超过 24 小时，不能重新打开。"),
    "device-exists": ("设备已登记", "这个设备编号已登记。"),
    "device-unreachable": ("设备连不上", "这个设备和它的网关都没有可用的登录凭证，指令无法下发。"),
    "device-retired": ("设备已停用", "这个设备已停用，不能再使用。"),
    "hub-has-children": ("网关下还有设备", "请先解除或移走网关下的设备。"),
    "not-bound": ("设备未绑定", "设备此时没有绑定。"),
    "already-linked": ("已经关联", "这位家属已关联这位老人。"),
    "elder-exists": ("老人已建档", "这个身份证号已建档。"),
    "erased": ("资料已删除", "这位老人的资料已删除，不能再修改。"),
    "username-taken": ("用户名已被使用", "请换一个用户名。"),
    "version-conflict": ("刚被修改", "资料刚被其他人修改，请重新读取后再改。"),
    "registry-in-use": ("已有其他资料", "登记库中已有其他资料，未做任何更改。"),
    "binding-overlap": ("绑定时间重叠", "设备在这段时间已绑定到别处，请先解除。"),
    "idempotency-in-progress": ("正在处理", "同一请求正在处理，请稍后用相同的 Idempotency-Key 重试。"),
    "idempotency-mismatch": ("重复键内容不同", "这个 Idempotency-Key 已用于另一份内容，本次请求未执行。"),
    "invalid": ("内容有误", "提交的内容不符合要求，未做任何更改。"),
    "body-too-large": ("内容过大", "请求内容超过 {limit} 字节，未处理。"),
    "unsupported-media-type": ("格式不支持", "请用 JSON 提交内容。"),
    "bad-request": ("请求有误", "请求无法理解，未做任何更改。"),
    "unavailable": ("暂时不可用", "数据库或服务暂时没有响应，本次操作未确认，请稍后重试。"),
    "schema-mismatch": ("版本不符", "数据库版本与程序不符，请联系管理员。"),
    "configuration": ("配置有误", "服务器配置有误，请联系管理员。"),
    "unreadable": ("无法解密", "存储的内容无法解密，请联系管理员。"),
    "internal": ("服务器出错", "服务器内部出错，操作可能未完成。请记下编号 {reference} 联系管理员。"),
}

_EN: dict[str, tuple[str, str]] = {
    "token-missing": ("Sign-in needed", "The request carries no access token. Sign in first."),
    "token-invalid": ("Token not valid", "The access token cannot be accepted. Sign in again."),
    "token-expired": ("Token expired", "The access token has expired. Refresh it or sign in again."),
    "session-ended": ("Session ended", "This session was signed out or revoked, or the account is disabled."),
    "bad-credentials": ("Sign-in failed", "The user name or the password is wrong."),
    "refresh-invalid": ("Cannot refresh", "The refresh token is not valid or has expired. Sign in again."),
    "refresh-reused": (
        "Session revoked",
        "The refresh token was used twice: this session is revoked. Sign in again.",
    ),
    "forbidden": ("Not allowed", "Your role does not allow this."),
    "not-found": ("Not found", "There is no such thing, or it is outside your scope."),
    "method-not-allowed": ("Method not allowed", "This address does not take that method."),
    "conflict": ("State conflict", "The thing is not in a state that allows this."),
    "alert-held": ("Already taken", "{held_by} took this alert at {since}."),
    "alert-changed": ("Just changed", "Somebody changed the alert at the same moment. Look again and retry."),
    "wrong-status": ("Wrong status", "The alert's status does not allow this. Look at it again."),
    "not-held": ("Not your alert", "Only its holder may do this. Take the alert, or take it over, first."),
    "newer-alert-live": ("A newer one is live", "A newer alert of the same kind is live. Work on that one."),
    "reopen-too-late": ("Too late", "The alert was closed more than 24 hours ago."),
    "device-exists": ("Device known", "A device with this id is registered already."),
    "device-unreachable": ("Out of reach", "Neither the device nor its hub may connect, so no command can reach it."),
    "device-retired": ("Device retired", "This device is retired."),
    "hub-has-children": ("Hub has devices", "Move or retire the devices of this hub first."),
    "not-bound": ("Not bound", "The device is not bound at that time."),
    "already-linked": ("Linked already", "This relative follows this elder already."),
    "elder-exists": ("Elder known", "An elder with this identity number is enrolled already."),
    "erased": ("Data erased", "This elder's data was erased and cannot be changed."),
    "username-taken": ("Name taken", "There is an account of this name. Choose another."),
    "version-conflict": ("Just changed", "Somebody else changed this. Read it again before changing it."),
    "registry-in-use": ("Registry in use", "The registry holds other data. Nothing was changed."),
    "binding-overlap": ("Bindings overlap", "The device is bound elsewhere during that time. End that binding first."),
    "idempotency-in-progress": (
        "Still running",
        "The same request is still running. Repeat it soon, with this key.",
    ),
    "idempotency-mismatch": (
        "Key used for another body",
        "This Idempotency-Key was used with another body. This request was not carried out.",
    ),
    "invalid": ("Input not valid", "The input breaks a rule. Nothing was changed."),
    "body-too-large": ("Body too large", "The request body is larger than {limit} bytes and was not read."),
    "unsupported-media-type": ("Unsupported format", "Send the content as JSON."),
    "bad-request": ("Bad request", "The request cannot be understood. Nothing was changed."),
    "unavailable": (
        "Not available now",
        "A server does not answer. Nothing was confirmed; try again.",
    ),
    "schema-mismatch": ("Version mismatch", "The database is of another version than the program. Tell the admin."),
    "configuration": ("Configuration error", "The server is configured wrongly. Tell the admin."),
    "unreadable": ("Cannot decrypt", "Stored content cannot be decrypted. Tell the admin."),
    "internal": ("Server error", "Something failed in the server. Tell the admin this reference: {reference}."),
}

_RULES_ZH: dict[str, str] = {
    "missing": "必填。",
    "extra_forbidden": "没有这个字段。",
    "json_invalid": "不是有效的 JSON。",
    "type": "类型不对。",
    "choice": "只能是：{expected}。",
    "too_short": "太短，至少 {min_length}。",
    "too_long": "太长，最多 {max_length}。",
    "too_small": "太小，下限 {low}。",
    "too_large": "太大，上限 {high}。",
    "pattern": "格式不对。",
    "date_time": "时间格式不对，请用带时区的 RFC 3339。",
    "uuid": "不是有效的编号。",
    "cursor": "不是此列表的游标。",
    "status": "没有这个状态。",
    "severity": "级别只有 p0、p1、p2、p3。",
    "form": "格式不对。",
    "unknown": "没有这一项。",
    "unknown_type": "没有这种类型。",
    "unknown_metric": "没有这种指标。",
    "unknown_outcome": "没有这种结果。",
    "range": "超出允许范围。",
    "before_to": "开始时间应早于结束时间。",
    "required": "必填。",
    "string": "应为文字。",
    "max_length": "太长。",
    "length": "长度不对。",
    "no_nul": "含有不允许的字符。",
    "reserved": "这个代码由平台使用，请换一个。",
    "exactly_one": "几项中必须且只能给出一项。",
    "unknown_responder": "这个账号不是救援人员。",
    "order": "先后顺序不对。",
    "test_region": "这个区划代码只用于测试。",
    "idempotency_key": "应为 1 到 255 个可见字符。",
    "not_valid": "不符合要求。",
}

_RULES_EN: dict[str, str] = {
    "missing": "This is required.",
    "extra_forbidden": "There is no such field.",
    "json_invalid": "This is not valid JSON.",
    "type": "This is of the wrong type.",
    "choice": "This must be one of: {expected}.",
    "too_short": "Too short: at least {min_length}.",
    "too_long": "Too long: at most {max_length}.",
    "too_small": "Too small: at least {low}.",
    "too_large": "Too large: at most {high}.",
    "pattern": "This is not in the expected form.",
    "date_time": "This is not an RFC 3339 time with an offset.",
    "uuid": "This is not a valid id.",
    "cursor": "This is not a cursor of this list.",
    "status": "There is no such status.",
    "severity": "The severities are p0, p1, p2 and p3.",
    "form": "This is not in the expected form.",
    "unknown": "There is no such thing.",
    "unknown_type": "There is no such type.",
    "unknown_metric": "There is no such metric.",
    "unknown_outcome": "There is no such outcome.",
    "range": "This is out of the allowed range.",
    "before_to": "The beginning lies before the end.",
    "required": "This is required.",
    "string": "This takes a text.",
    "max_length": "This is too long.",
    "length": "This has the wrong length.",
    "no_nul": "This contains a character that is not allowed.",
    "reserved": "The platform uses this code itself. Choose another.",
    "exactly_one": "Give exactly one of them.",
    "unknown_responder": "This account is not a responder's.",
    "order": "These are in the wrong order.",
    "test_region": "This region code is for tests only.",
    "idempotency_key": "This takes 1 to 255 visible characters.",
    "not_valid": "This is not valid.",
}

PROBLEMS: dict[Language, dict[str, tuple[str, str]]] = {"zh-CN": _ZH, "en": _EN}
RULES: dict[Language, dict[str, str]] = {"zh-CN": _RULES_ZH, "en": _RULES_EN}


def problem_text(code: str, language: Language, **values: Any) -> tuple[str, str]:
    """Title and detail. A code the catalogue does not hold is a domain conflict that has no sentence of its own."""
    title, detail = PROBLEMS[language].get(code) or PROBLEMS[language]["conflict"]
    return title, detail.format_map(values)


def rule_text(rule: str, language: Language, fallback: str = "", **values: Any) -> str:
    """The sentence of a rule. In English the domain's own sentence, `fallback`, is more exact and goes first."""
    if language == "en" and fallback:
        return fallback
    template = RULES[language].get(rule, RULES[language]["not_valid"])
    try:
        return template.format_map(values)
    except KeyError:
        return RULES[language]["not_valid"]


def choose_language(accept_language: str | None, account_locale: str | None) -> Language:
    """What the request asks for, else the account's language, else Chinese."""
    for tag in _by_weight(accept_language or ""):
        if tag.startswith("zh"):
            return "zh-CN"
        if tag.startswith("en"):
            return "en"
    return "en" if account_locale == "en" else FIRST


def _by_weight(header: str) -> list[str]:
    weighted = []
    for part in header.split(","):
        tag, _, parameter = part.strip().lower().partition(";")
        weight = parameter.strip().removeprefix("q=") or "1"
        try:
            weighted.append((float(weight), tag.strip()))
        except ValueError:
            continue
    return [tag for weight, tag in sorted(weighted, key=lambda pair: -pair[0]) if weight > 0]
