"""The sandbox's limits on identifying, on asking for all members, and on refused requests."""

from boostmon.sandbox import Limits
from boostmon.sandbox.core.limits import RateLimiter
from tests.support.sandbox_client import GUILDS, MEMBERS, sandbox


async def test_a_bot_identifies_once_in_five_seconds_and_is_then_an_invalid_session() -> None:
    async with sandbox(limits=Limits()) as client, client.gateway():
        identify = {"token": client.ids["token"], "intents": GUILDS, "properties": {}}
        async with client.socket() as second:
            await second.send(2, identify)
            answer = await second.receive()
            assert (answer["op"], answer["d"]) == (9, False)
            # Another shard waits for its turn, too: max_concurrency is 1.
            await second.send(2, identify | {"shard": [1, 2]})
            assert (await second.receive())["op"] == 9
            limit = (await client.api("GET", "/gateway/bot")).body["session_start_limit"]
            assert (limit["remaining"], limit["max_concurrency"]) == (999, 1)
            await client.sim("limits", {"identify": [2, 5.0]})
            await second.identify()


async def test_resuming_is_no_identifying() -> None:
    async with sandbox(limits=Limits()) as client:
        async with client.gateway() as socket:
            await socket.event("GUILD_CREATE")
            await socket.close(4000)
        resume = {"token": client.ids["token"], "session_id": socket.ready["session_id"]}
        async with client.socket() as again:
            await again.send(6, resume | {"seq": socket.sequence})
            assert (await again.receive())["t"] == "RESUMED"


async def test_all_members_of_a_server_are_given_once_in_thirty_seconds() -> None:
    everybody = {"query": "", "limit": 0}
    guilds = [{"name": name, "owner": "boss", "members": [{"user": "max"}]} for name in "ab"]
    world = {"bots": [{"name": "Bot", "privileged_intents": ["members"]}], "guilds": guilds}
    async with sandbox(world=world) as client, client.gateway(intents=GUILDS | MEMBERS) as socket:
        first, second = (guild["id"] for guild in client.sandbox.state()["guilds"])
        await socket.send(8, everybody | {"guild_id": first})
        assert len((await socket.event("GUILD_MEMBERS_CHUNK"))["d"]["members"]) == 3
        await socket.send(8, everybody | {"guild_id": first, "nonce": "n"})
        limited = (await socket.event("RATE_LIMITED"))["d"]
        assert (limited["opcode"], limited["meta"]) == (8, {"guild_id": first, "nonce": "n"})
        assert 29 < limited["retry_after"] <= 30
        assert await socket.quiet() == []
        # By name, by id, and of another server they may be asked for at once.
        for more in (
            {"guild_id": first, "query": "max", "limit": 1},
            {"guild_id": first, "user_ids": client.user("max")},
            everybody | {"guild_id": second},
        ):
            await socket.send(8, more)
            assert (await socket.event("GUILD_MEMBERS_CHUNK"))["d"]["chunk_count"] == 1


async def test_who_is_refused_too_often_is_banned_without_a_word_of_discord() -> None:
    async with sandbox(limits=Limits(invalid=(3, 60.0))) as client:
        await client.api("GET", "/users/@me", token="no")  # noqa: S106 -- it opens nothing
        await client.api("GET", "/users/1")  # 404 is no refusal
        await client.api("PUT", client.held("max", "Admin"))
        path = client.channel("staff") + "/messages"
        assert (await client.api("POST", path, {"content": "x"})).code == 50013
        headers = {"Authorization": f"Bot {client.ids['token']}"}
        for _ in range(2):
            async with client.http.get(
                f"{client.sandbox.api}/users/@me", headers=headers
            ) as answer:
                assert (answer.status, await answer.text()) == (429, "error code: 1015")
                assert "Via" not in answer.headers
                assert 58 < int(answer.headers["Retry-After"]) <= 60
        await client.sim("limits", {"invalid": [10_000, 600.0]})
        assert (await client.api("GET", "/users/@me")).status == 200


async def test_a_429_of_a_shared_resource_does_not_lead_to_a_ban() -> None:
    async with sandbox(limits=Limits(invalid=(1, 60.0), other=(1, 60.0))) as client:
        await client.sim("fault", {"path": "/users/@me", "status": 429})
        assert (await client.api("GET", "/users/@me")).headers["X-RateLimit-Scope"] == "shared"
        assert (await client.api("GET", "/users/@me")).status == 200
        assert (await client.api("GET", "/users/@me")).headers["X-RateLimit-Scope"] == "user"
        headers = {"Authorization": f"Bot {client.ids['token']}"}
        async with client.http.get(f"{client.sandbox.api}/users/@me", headers=headers) as answer:
            assert "Via" not in answer.headers


async def test_the_headers_of_a_limit_count_down_to_a_429_that_says_all() -> None:
    async with sandbox(limits=Limits(other=(2, 60.0))) as client:
        answers = [await client.api("GET", client.guild) for _ in range(3)]
        remaining = [answer.headers["X-RateLimit-Remaining"] for answer in answers]
        assert remaining == ["1", "0", "0"]
        assert {answer.headers["X-RateLimit-Limit"] for answer in answers} == {"2"}
        buckets = {answer.headers["X-RateLimit-Bucket"] for answer in answers}
        refused = answers[-1]
        assert refused.status == 429
        assert refused.body.keys() == {"message", "retry_after", "global"}
        assert (refused.body["global"], refused.headers["X-RateLimit-Scope"]) == (False, "user")
        after = refused.body["retry_after"]
        assert float(refused.headers["X-RateLimit-Reset-After"]) == after
        assert after <= int(refused.headers["Retry-After"]) < after + 1
        other = await client.api("GET", client.guild + "/roles")
        assert other.headers["X-RateLimit-Remaining"] == "1"
        assert other.headers["X-RateLimit-Bucket"] not in buckets


async def test_the_global_429_says_so_and_has_no_bucket() -> None:
    async with sandbox(limits=Limits(everything=(1, 60.0))) as client:
        await client.api("GET", client.guild)
        refused = await client.api("GET", "/users/@me")
        assert (refused.status, refused.body["global"]) == (429, True)
        assert refused.headers["X-RateLimit-Global"] == "true"
        assert refused.headers["X-RateLimit-Scope"] == "global"
        assert "X-RateLimit-Bucket" not in refused.headers


def test_many_windows_do_not_make_it_forget_what_still_counts() -> None:
    now = [0.0]
    limiter = RateLimiter(Limits(messages=(2, 5.0)), lambda: now[0])
    for moment in (0.0, 4.0):
        now[0] = moment
        assert limiter.take(None, "messages", "busy").retry_after is None
    for number in range(6000):
        limiter.take(None, "messages", str(number))
    now[0] = 6.0
    limiter.take(None, "messages", "one more")
    assert limiter.take(None, "messages", "busy").retry_after is None
    assert limiter.take(None, "messages", "busy").retry_after == 3.0
