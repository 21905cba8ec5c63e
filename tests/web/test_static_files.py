"""Styles and scripts are sent small and once: compressed, and kept by browsers under an address with a version."""

import gzip

import pytest

from app.templating import STATIC, asset
from tests.web.world import Site

STYLE = (STATIC / "judge.css").read_bytes()


async def test_a_browser_that_takes_gzip_gets_the_same_bytes_compressed(site: Site) -> None:
    browser = await site.browser()
    plain = await browser.get(asset("judge.css"), headers={"accept-encoding": "identity"})
    small = await browser.get(asset("judge.css"), headers={"accept-encoding": "br, gzip;q=0.8"})
    assert plain.content == small.content == STYLE
    assert "content-encoding" not in plain.headers
    assert (small.headers["content-encoding"], small.headers["vary"]) == ("gzip", "Accept-Encoding")
    assert small.headers["content-type"] == plain.headers["content-type"]
    assert int(small.headers["content-length"]) == len(gzip.compress(STYLE, 9, mtime=0)) < len(STYLE) / 2
    again = await browser.get(asset("judge.css"), headers={"if-none-match": small.headers["etag"]})
    assert again.status_code == 304


async def test_a_file_with_a_version_is_kept_and_one_without_is_asked_for_again(site: Site) -> None:
    browser = await site.browser()
    kept = await browser.get(asset("judge.css"))
    assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "cache-control" not in (await browser.get("/static/judge.css")).headers
    assert "immutable" not in (await browser.get("/static/nothing.css?v=1")).headers.get("cache-control", "")


async def test_pages_are_not_compressed_since_they_hold_a_sessions_token(site: Site) -> None:
    page = await (await site.browser("judge")).get("/judge", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in page.headers
    assert page.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("place", ["/judge", "/judge/instructions"])
async def test_pages_of_judges_load_no_script_that_they_do_not_use(site: Site, place: str) -> None:
    assert "htmx.min.js" not in (await (await site.browser("judge")).get(place)).text
    assert "htmx.min.js" in (await (await site.browser("alice")).get("/")).text
