import asyncio, time, pytest, httpx
from websockets.asyncio.client import connect
from tests.integration.test_api_process import start, address_in, ended
pytestmark = pytest.mark.integration
def q(v,p): v=sorted(v); return round(v[min(len(v)-1,int(len(v)*p))]*1000,2)
async def test_bench(seeded, tmp_path):
    p = await start(seeded.url, ANXIN_API_READY_FILE=str(tmp_path/"r"), ANXIN_LOG_LEVEL="WARNING")
    addr = await address_in(tmp_path/"r")
    c = httpx.AsyncClient(base_url=f"http://{addr}", timeout=30)
    tok=(await c.post("/api/v1/auth/token", data=seeded.town.accounts["operator"])).json()["access_token"]
    c.headers["Authorization"]=f"Bearer {tok}"
    await seeded.press(*seeded.watches)
    t=[]
    for _ in range(300):
        b=time.perf_counter(); r=await c.get("/api/v1/alerts?status=live"); t.append(time.perf_counter()-b)
    print("list14",q(t,.5),q(t,.99),flush=True)
    for n in (100,400):
        socks=await asyncio.gather(*(connect(f"ws://{addr}/api/v1/live",additional_headers={"Authorization":f"Bearer {tok}"},proxy=None,compression=None) for _ in range(n)))
        for s in socks: await s.recv()
        async def reader(s,k,out):
            while k:
                m=await s.recv()
                if '"alert.' in m[:20]: k-=1; out.append(time.perf_counter())
        outs=[[] for _ in socks]; k=500
        tasks=[asyncio.create_task(reader(s,k,o)) for s,o in zip(socks,outs)]
        b=time.perf_counter()
        for _ in range(10): await seeded.press(*[seeded.watches[0]]*50)
        await asyncio.gather(*tasks); el=time.perf_counter()-b
        print(n,"burst of 500: frames/s",round(500*n/el),"all",round(el,2),flush=True)
        for s in socks: await s.close()
    p.terminate(); print((await ended(p))[1][-600:])
