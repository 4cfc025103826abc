import asyncio, time, pytest
pytestmark = pytest.mark.integration
async def test_x(api):
    token = (await api.sign_in("operator"))["access_token"]
    lives = await asyncio.gather(*(api.live("operator", token=token) for _ in range(3)))
    for live in lives: await live.next()
    watches = api.seeded.watches[:14]
    async def writer(n):
        for step in range(5):
            await api.seeded.press(watches[(n+step)%14])
    await asyncio.gather(*(writer(n) for n in range(20)))
    rows=await api.seeded.fetch("select e.seq, a.subject_id, e.type, a.centre_id::text from alert_event e join alert a on a.id=e.alert_id order by e.seq")
    fr=[]
    try:
        for _ in range(100):
            f=await lives[0].next_alert(3); fr.append((f["prev"],f["seq"]))
    except BaseException as e: print(repr(e)[:80])
    print(len(fr), [p for p in fr if p[1]!=p[0]+1], flush=True)
    got={s for _,s in fr}
    print({r[3] for r in rows}, {r[3] for r in rows if r[0] not in got})
    print(await api.seeded.fetch("select id::text, takes_unidentified from centre"), watches)
