"""The plain page in a real browser, on real processes: a press rings, is answered, and a cut line is never silent."""

import asyncio
import json
import os
import signal
import threading
import time
from collections.abc import Coroutine
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import paho.mqtt.publish as mqtt_publish
import psycopg
import pytest
from playwright.sync_api import Locator, Page, Route, expect

from simulators.chaos.proxy import TcpProxy
from tests.e2e.test_emergency import frozen
from tests.fixtures.browser import Watched, screenshot
from tests.fixtures.demo import Demo

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.timeout(300)]

RING_S = 20_000  # milliseconds Playwright waits for what the page must do within a few seconds


def press(demo: Demo, type: str = "sos", lane: str = "alarm", **more: object) -> None:
    """The spare device publishes one event, like mosquitto_pub."""
    spare = demo.ready["spare_device"]
    mqtt_publish.single(
        f"anxin/v1/{spare['id']}/up/{lane}",
        json.dumps({"type": type, "id": uuid4().hex, **more}),
        qos=1,
        hostname=demo.ready["mqtt_host"],
        port=demo.ready["mqtt_port"],
        auth={"username": spare["username"], "password": spare["password"]},
    )


def sign_in(page: Page, demo: Demo, account: str = "operator", *, url: str | None = None) -> None:
    who = demo.ready["accounts"][account]
    page.goto(f"{url or demo.ready['api_url']}/plain")
    page.fill("input[name=username]", who["username"])
    page.fill("input[name=password]", who["password"])
    page.click("#entry button[type=submit]")
    expect(page.locator("body")).to_have_attribute("data-link", "live", timeout=RING_S)


def row_of(page: Page, title: str = "紧急呼叫") -> Locator:
    return page.locator("#queue > li:not(.over)").filter(has=page.locator("h3", has_text=title))


def rings(page: Page) -> int:
    return int(page.locator("body").get_attribute("data-rings") or 0)


def wait_for_more_rings(page: Page, than: int) -> None:
    expect(page.locator("body")).not_to_have_attribute("data-rings", str(than), timeout=RING_S)


def do(row: Locator, action: str, **fields: str) -> None:
    """Press a button of the row and fill in its form."""
    row.locator(f"button[data-action={action}]").click()
    for name, value in fields.items():
        field = row.locator(f"form[data-action={action}] [name={name}]")
        if field.evaluate("node => node.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(value)
    if fields:
        row.locator(f"form[data-action={action}] button[type=submit]").click()


def alerts(demo: Demo, status: str) -> list[dict[str, Any]]:
    return demo.call("admin", "GET", f"/alerts?status={status}&limit=100")[1]["items"]


def test_a_press_rings_until_somebody_takes_it_and_is_worked_to_its_end(demo: Demo, watched: Watched):
    page = watched.page
    sign_in(page, demo)
    expect(page.locator("body")).to_have_attribute("data-sound", "quiet")
    expect(page.locator("#empty")).to_contain_text("现在没有报警")

    press(demo)
    row = row_of(page)
    expect(row).to_have_class("row p0 waiting", timeout=RING_S)
    expect(row.locator(".who")).to_contain_text("*")
    expect(row.locator("svg.badge")).to_have_attribute("aria-label", "紧急 P0")
    expect(page.locator("body")).to_have_attribute("data-sound", "ringing")
    expect(page).to_have_title("(1) 安心 · 报警")
    wait_for_more_rings(page, than=rings(page))  # it repeats by itself
    press(demo)
    expect(row.locator(".marks")).to_contain_text("按了 2 次", timeout=RING_S)
    screenshot(page, "ringing")

    do(row, "acknowledge")
    expect(row.locator(".holder")).to_contain_text("我已接")
    expect(page.locator("body")).to_have_attribute("data-sound", "quiet")
    quiet = rings(page)

    do(row, "call", party="elder", result="answered_help")
    expect(row).to_have_attribute("data-status", "verifying")
    do(row, "verify", result="real")
    do(row, "note", text="女儿已在路上")
    do(row, "dispatch", service="120")
    expect(row).to_have_attribute("data-status", "dispatched")
    row.locator("button[data-action=details]").click()
    panel = page.locator("#panel")
    expect(panel.locator("[data-box=handling]")).to_contain_text("女儿已在路上")
    expect(panel.locator("[data-box=handling]")).to_contain_text("老人 · 接通，需要帮助")
    expect(panel.locator("[data-box=timeline]")).to_contain_text("求助")
    screenshot(page, "working")

    do(row, "resolve", outcome="taken_to_hospital", note="120 已送医")
    expect(row).to_have_attribute("data-status", "resolved")
    do(row, "close", code="helped", note="已移交医院")
    expect(page.locator("#queue > li:visible")).to_have_count(0, timeout=RING_S)
    assert rings(page) == quiet
    assert [alert["close_code"] for alert in alerts(demo, "closed")][:1] == ["helped"]


def test_what_a_colleague_took_says_so_beside_the_button_and_falls_silent(demo: Demo, watched: Watched):
    page = watched.page
    sign_in(page, demo)
    press(demo)
    row = row_of(page)
    expect(row).to_be_visible(timeout=RING_S)
    # The colleague is a little faster: between the click and the request.

    def colleague_first(route: Route) -> None:
        _take(demo)
        route.continue_()

    page.route("**/acknowledge", colleague_first)
    do(row, "acknowledge")
    expect(row.locator(".problem")).to_contain_text("已在")
    expect(row.locator(".holder")).to_contain_text("已接")
    expect(page.locator("body")).to_have_attribute("data-sound", "quiet")


def _take(demo: Demo) -> None:
    (alert,) = alerts(demo, "open")
    assert demo.call("operator2", "POST", f"/alerts/{alert['id']}/acknowledge")[0] == 200


def test_a_killed_api_shows_a_banner_and_no_alert_is_lost_over_the_gap(demo: Demo, watched: Watched):
    page = watched.page
    sign_in(page, demo)
    page.evaluate("window.sameDocument = true")
    (pid,) = demo.part_pids("api")
    os.kill(pid, signal.SIGSTOP)  # the socket stays open and nothing comes: the fault that looks most like calm
    try:
        expect(page.locator("#stale")).to_be_visible(timeout=RING_S)
        expect(page.locator("#stale")).to_contain_text("断开 — 数据可能过期")
        expect(page.locator("#empty")).to_contain_text("看不到")  # and not that there are none
        expect(page.locator("#link")).to_have_text("○ 断开")
        screenshot(page, "stale")
        press(demo)
    finally:
        os.kill(pid, signal.SIGKILL)  # the supervisor starts another one
    row = row_of(page)
    expect(row).to_be_visible(timeout=60_000)
    expect(page.locator("#stale")).to_be_hidden()
    expect(page.locator("body")).to_have_attribute("data-link", "live")
    expect(page.locator("body")).to_have_attribute("data-sound", "ringing")
    assert page.evaluate("window.sameDocument") is True
    do(row, "acknowledge")
    expect(row.locator(".holder")).to_contain_text("我已接")


class Line:
    """The line between the page and the platform, to cut: a TCP proxy in a thread of its own."""

    def __init__(self, demo: Demo) -> None:
        self.server = urlsplit(demo.ready["api_url"])
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)

    def __enter__(self) -> "Line":
        self.thread.start()
        self.proxy = TcpProxy(self.server.hostname, self.server.port)
        self._run(self.proxy.start())
        return self

    def __exit__(self, *_exception: object) -> None:
        self._run(self.proxy.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def _run(self, work: Coroutine[Any, Any, object]) -> None:
        asyncio.run_coroutine_threadsafe(work, self.loop).result(20)

    @property
    def url(self) -> str:
        return f"http://{self.proxy.host}:{self.proxy.port}"

    def freeze(self) -> None:
        self.loop.call_soon_threadsafe(self.proxy.freeze)

    def restore(self) -> None:
        """What hung in the line is gone, as after a router's restart; new connections go through."""
        self.loop.call_soon_threadsafe(self.proxy.cut)
        self.loop.call_soon_threadsafe(self.proxy.thaw)


def test_every_alert_of_a_frozen_line_is_there_when_it_comes_back(demo: Demo, watched: Watched):
    page = watched.page
    with Line(demo) as line:
        sign_in(page, demo, url=line.url)
        press(demo)
        expect(row_of(page)).to_be_visible(timeout=RING_S)
        line.freeze()
        for type in ("smoke", "gas", "water_leak"):
            press(demo, type, value=True)
        press(demo)
        expect(page.locator("body")).to_have_attribute("data-link", "down", timeout=RING_S)
        expect(page.locator("#queue > li")).to_have_count(1)
        line.restore()
        for title in ("烟雾报警", "燃气泄漏报警", "水浸报警"):
            expect(row_of(page, title)).to_be_visible(timeout=60_000)
        expect(row_of(page).locator(".marks")).to_contain_text("按了 2 次")
        expect(page.locator("body")).to_have_attribute("data-link", "live")
        order = page.locator("#queue > li svg.badge text").all_text_contents()
        assert order == ["P0", "P0", "P0", "P2"]
        screenshot(page, "after-the-gap")
        watched.page.goto("about:blank")  # before the line goes


def test_a_page_whose_sound_is_blocked_says_so_and_tells_the_server(demo: Demo, watched: Watched):
    page = watched.page
    # A browser that keeps audio suspended whatever one presses, as a policy or a missing device may do.
    page.add_init_script(
        "AudioContext.prototype.resume = () => Promise.reject(new Error('blocked'));"
        "Object.defineProperty(AudioContext.prototype, 'state', {get: () => 'suspended'});"
    )
    sign_in(page, demo)
    expect(page.locator("body")).to_have_attribute("data-sound", "blocked")
    expect(page.locator("#deaf")).to_be_visible()
    expect(page.locator("#deaf")).to_contain_text("听不到报警")
    assert_seat(demo, audible=False)
    screenshot(page, "deaf")


def test_a_seat_that_hears_is_told_to_the_server(demo: Demo, watched: Watched):
    sign_in(watched.page, demo)
    assert_seat(demo, audible=True)


def assert_seat(demo: Demo, *, audible: bool) -> None:
    deadline = time.monotonic() + 30
    with psycopg.connect(demo.ready["database_url"], autocommit=True) as database:
        while True:
            row = database.execute("SELECT audible, visible FROM seat ORDER BY last_seen_at DESC LIMIT 1").fetchone()
            if row == (audible, True):
                return
            assert time.monotonic() < deadline, row
            time.sleep(0.2)


def test_rows_stand_still_under_the_pointer_and_a_new_emergency_is_announced_above(demo: Demo, watched: Watched):
    page = watched.page
    sign_in(page, demo)
    press(demo, "water_leak", value=True)
    leak = row_of(page, "水浸报警")
    expect(leak).to_be_visible(timeout=RING_S)
    leak.hover()
    before = leak.bounding_box()
    press(demo)
    fresh = page.locator("#fresh")
    expect(fresh).to_contain_text("新到 1 起", timeout=RING_S)
    assert leak.bounding_box() == before
    screenshot(page, "standing-still")
    page.keyboard.press("F2")
    expect(page.locator("#queue > li").first.locator("h3")).to_have_text("紧急呼叫")
    expect(page.locator("#queue > li").first.locator("h3")).to_be_focused()
    expect(fresh).to_be_hidden()


def test_the_page_speaks_english_and_works_by_keyboard_alone(demo: Demo, watched: Watched):
    page = watched.page
    sign_in(page, demo)
    page.click("#language")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator("#link")).to_have_text("● Live")
    press(demo)
    expect(row_of(page, "Emergency call")).to_be_visible(timeout=RING_S)
    expect(page.locator("#say")).to_contain_text("New alert Urgent Emergency call")
    page.keyboard.press("F2")
    page.keyboard.press("Tab")
    page.wait_for_timeout(900)  # what just appeared takes no key for 800 ms
    page.keyboard.press("Tab")
    screenshot(page, "english")
    for _ in range(12):
        if page.evaluate("document.activeElement.dataset.action") == "acknowledge":
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(row_of(page, "Emergency call").locator(".holder")).to_contain_text("held by you")


def test_a_wrong_password_is_answered_in_place(demo: Demo, watched: Watched):
    page = watched.page
    page.goto(f"{demo.ready['api_url']}/plain")
    page.fill("input[name=username]", "operator")
    page.fill("input[name=password]", "not the password")
    page.click("#entry button[type=submit]")
    expect(page.locator("#entry-problem")).to_have_text("用户名或密码不正确。")
    expect(page.locator("#desk")).to_be_hidden()


def test_names_are_masked_and_markup_in_a_note_stays_text(demo: Demo, watched: Watched):
    page = watched.page
    sign_in(page, demo)
    press(demo)
    row = row_of(page)
    expect(row).to_be_visible(timeout=RING_S)
    do(row, "note", text="<img src=x onerror=document.title='owned'>")
    row.locator("button[data-action=details]").click()
    expect(page.locator("[data-box=handling]")).to_contain_text("<img src=x")
    assert "owned" not in page.title()


def test_with_the_database_frozen_a_press_rings_unstored_is_taken_and_its_row_becomes_the_stored_alert(
    demo: Demo, watched: Watched
):
    page = watched.page
    sign_in(page, demo)
    with frozen(demo):
        press(demo)
        row = row_of(page)
        expect(row).to_have_class("row p0 waiting", timeout=RING_S)
        expect(row.locator(".marks")).to_contain_text("未入库")
        expect(row.locator(".who")).to_contain_text("*")
        expect(page.locator("#away")).to_be_visible(timeout=RING_S)
        expect(page.locator("#away")).to_contain_text("数据库没有应答")
        expect(page.locator("body")).to_have_attribute("data-sound", "ringing")
        screenshot(page, "unstored")
        page.evaluate("window.sameRow = document.querySelector('#queue > li')")
        do(row, "acknowledge")
        expect(row.locator(".holder")).to_contain_text("我已接", timeout=RING_S)
        expect(page.locator("body")).to_have_attribute("data-sound", "quiet")
    expect(page.locator("#away")).to_be_hidden(timeout=3 * RING_S)
    expect(row.locator(".marks")).not_to_contain_text("未入库", timeout=3 * RING_S)
    expect(row.locator(".holder")).to_contain_text("我已接")
    expect(page.locator("#queue > li:visible")).to_have_count(1)
    assert page.evaluate("window.sameRow === document.querySelector('#queue > li')")
