from __future__ import annotations

import base64
import re
from collections.abc import Callable
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from worker.platforms.links import LONGEST_LINK, LinkError, parse_link
from worker.platforms.meet import link as meet_link
from worker.platforms.teams import link as teams_link
from worker.platforms.wrapped_links import MOST_LAYERS, without_ending

CODE = "https://meet.google.com/abc-defg-hij"
SHORT = "https://teams.microsoft.com/meet/1234567890123?p=AbCdEfGh"
DEEP = (
    "https://teams.microsoft.com/l/meetup-join/19%3ameeting_NjA0Mj-Zk_w%40thread.v2/0"
    "?context=%7b%22Tid%22%3a%22a-b%22%2c%22Oid%22%3a%22c-d%22%7d"
)
HOSTS = {meet_link.HOST, *teams_link.HOSTS, teams_link.SHORT_HOST}


UNTOUCHED = ":/?#[]@!$&'()*+,;=%"
"""What a filter that does not encode its target leaves unchanged: the delimiters of an address."""


def encoded(link: str) -> str:
    return quote(link, safe="")


def proofpoint_2(link: str) -> str:
    hidden = "".join(
        "_" if letter == "/" else letter if letter.isalnum() or letter == "." else encoded_letter(letter)
        for letter in link
    )
    return f"https://urldefense.proofpoint.com/v2/url?u={hidden}&d=DwMFaQ&c=eu&r=x&m=y&s=z&e="


def encoded_letter(letter: str) -> str:
    return "".join(f"-{byte:02X}" for byte in letter.encode())


def proofpoint_3(link: str) -> str:
    """Replaces what is no letter, digit or delimiter: single characters by ``*``, runs by ``**`` and their length."""
    taken: list[str] = []

    def replace(found: re.Match[str]) -> str:
        taken.append(found[0])
        size = len(found[0])
        return "*" if size == 1 else f"**{'ABCDEFGHIJKLMNOPQRSTUVWXYZ'[size - 2]}"

    hidden = re.sub(r"[^A-Za-z0-9./:?=&_;!$~-]{1,20}", replace, link)
    replaced = base64.urlsafe_b64encode("".join(taken).encode()).decode().rstrip("=")
    return f"https://urldefense.com/v3/__{hidden}__;{replaced}!!AbC-d_E!FgH-iJ_k$"


def sophos(link: str) -> str:
    inside = base64.urlsafe_b64encode(link.encode()).decode()
    return f"https://eu-central-1.protection.sophos.com/?d=microsoft.com&u={inside}&i=NWY=&t=x&h=y&s=z"


FILTERS: dict[str, Callable[[str], str]] = {
    "SafeLinks": lambda link: (
        f"https://nam02.safelinks.protection.outlook.com/ap/t-59584e83/?url={encoded(link)}"
        "&data=05%7C02%7C&sdata=x%3D&reserved=0"
    ),
    "SafeLinks in HTML": lambda link: (
        f"https://eur01.safelinks.protection.outlook.com/?url={encoded(link)}&amp;data=05"
    ),
    "SafeLinks of GCC High": lambda link: (
        f"https://usg01.safelinks.protection.office365.us/?url={encoded(link)}"
    ),
    "SafeLinks of Teams": lambda link: (
        "https://statics.teams.cdn.office.net/evergreen-assets/safelinks/1/atp-safelinks.html"
        f"?url={encoded(link)}&locale=en-us"
    ),
    "Google": lambda link: f"https://www.google.com/url?q={encoded(link)}&sa=D&source=calendar&usg=x",
    "Google search": lambda link: f"https://google.co.uk/url?sa=t&q=stand-up&url={encoded(link)}&ved=2ah",
    "Google Meet's chat": lambda link: (
        f"https://meet.google.com/linkredirect?authuser=0&dest={encoded(link)}"
    ),
    "Google sign-in": lambda link: (
        f"https://accounts.google.com/ServiceLogin?ltmpl=meet&continue={encoded(link)}&hl=de"
    ),
    "Proofpoint 1": lambda link: (
        f"https://urldefense.proofpoint.com/v1/url?u={encoded(link)}&k=x%3D%3D%0A&r=y"
    ),
    "Proofpoint 2": proofpoint_2,
    "Proofpoint 3": proofpoint_3,
    "Barracuda": lambda link: f"https://linkprotect.cudasvc.com/url?a={encoded(link)}&c=E,1,x_y&typo=1",
    "Trellix": lambda link: f"https://protect2.fireeye.com/v1/url?k=31323334&q=1&e=x-y&u={encoded(link)}",
    "Symantec": lambda link: f"https://clicktime.symantec.com/3AbC?u={encoded(link)}",
    "Trend Micro": lambda link: (
        f"https://eu.trendmicro.com:443/wis/clicktime/v1/query?url={encoded(link)}&umid=x&auth=y"
    ),
    "Sophos": sophos,
    "Cisco": lambda link: f"https://secure-web.cisco.com/1AbC-d_E/{encoded(link)}",
    "Check Point": lambda link: (
        f"https://protect.checkpoint.com/v2/___{quote(link, safe=UNTOUCHED)}___.YXAzOm1x"
    ),
    "Zix": lambda link: f"https://link.edgepilot.com/s/1a2b/AbC?u={encoded(link)}",
    "Slack": lambda link: f"https://slack-redir.net/link?url={encoded(link)}&v=3",
    "encoded as a whole": encoded,
    "encoded twice": lambda link: encoded(encoded(link)),
}
PROSE: dict[str, Callable[[str], str]] = {
    "alone": str,
    "<link>": lambda link: f"<{link}>",
    "<URL:link>": lambda link: f"<URL:{link}>",
    "label <link>": lambda link: f"Join the call <{link}>.",
    "<link|label>": lambda link: f"<{link}|Join the call>",
    "[label](link)": lambda link: f"[Join the call]({link}).",
    "**link**": lambda link: f"**{link}**",
    "(link).": lambda link: f"({link}).",
    "“link”,": lambda link: f"“{link}”,",
    "- link;": lambda link: f"- {link};",
    "link>": lambda link: f"{link}>",
    "link%3E": lambda link: f"{link}%3E",
    "link\\n": lambda link: f"{link}\\n",
    "zero-width": lambda link: f"\ufeff{link[:12]}\u200b{link[12:]}\u2060\u00a0",
    "HTML": lambda link: link.replace("&", "&amp;"),
    "JSON": lambda link: link.replace("/", r"\/").replace("&", r"\u0026"),
    "shell": lambda link: re.sub(r"(?=[?=&])", r"\\", link),
}

WRAPPERS = FILTERS | PROSE


@pytest.mark.parametrize("link", [CODE, SHORT, DEEP])
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_wrapped_link_is_the_link(wrapper: str, link: str) -> None:
    assert parse_link(WRAPPERS[wrapper](link)) == parse_link(link)


PASSCODES = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=20)
LINKS = st.one_of(
    st.from_regex(r"https://meet\.google\.com/[a-z]{3}-[a-z]{4}-[a-z]{3}", fullmatch=True),
    st.builds(
        lambda host, number, passcode: f"https://{host}/meet/{number}?p={passcode}&anon=true",
        st.sampled_from(teams_link.HOSTS),
        st.integers(10**8, 10**14),
        PASSCODES,
    ),
    st.just(DEEP),
)


ENDINGS = st.sampled_from(["", ">", ".", ")", "”,", "\u200b", "%3E"])


@given(LINKS, ENDINGS, st.lists(st.sampled_from(sorted(FILTERS)), max_size=3), st.sampled_from(sorted(PROSE)))
@example(SHORT, "", ["Proofpoint 3", "Proofpoint 3"], "(link).")
@example(SHORT, ">", ["Check Point", "Check Point"], "<link|label>")
@example(DEEP, "", ["encoded as a whole", "Check Point"], "(link).")
@example(DEEP, "%3E", ["Proofpoint 2", "SafeLinks", "Google"], "[label](link)")
def test_every_wrapper_of_a_link_gives_the_same_link(
    link: str, ending: str, filters: list[str], prose: str
) -> None:
    # What is behind a link got into its first filter.
    wrapped = link + ending if filters else link
    for name in filters:
        wrapped = FILTERS[name](wrapped)
    assert parse_link(PROSE[prose](wrapped)) == parse_link(link)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("abc-defg-hij", f"{CODE}?hl=en"),
        (" “abc-defg-hij”. ", f"{CODE}?hl=en"),
        ("msteams:/meet/1234567890123?p=AbCdEfGh", SHORT),
        ("msteams%3A%2Fmeet%2F1234567890123%3Fp%3DAbCdEfGh", SHORT),
        ("https://teams.microsoft.com.mcas.ms/meet/1234567890123?p=AbCdEfGh", SHORT),
        ("https://teams.microsoft.com.eu2.cas.ms/meet/1234567890123?p=AbCdEfGh", SHORT),
        ("https://teams.microsoft.com%2Fmeet%2F1234567890123%3Fp%3DAbCdEfGh", SHORT),
        ("https://teams.microsoft.com/meet/1234567890123%3Fp%3DAbCdEfGh", SHORT),
        ("https://teams.microsoft.com/meet/1234567890123%3Fp%3DAbCdEfGh?x=1", f"{SHORT}&x=1"),
        (
            "https://www.google.com/url?q=" + SHORT.replace("?", "?x=1&") + "&sa=D",
            SHORT.replace("?", "?x=1&"),
        ),
        (
            "https://www.google.com/url?sa=D&q=https://teams.live.com/meet/12?p=a%2Bb",
            "https://teams.live.com/meet/12?p=a%2Bb",
        ),
        (
            "https://www.google.com/url?q=https://teams.microsoft.com/_#/meet/1234567890123?p=AbCdEfGh",
            SHORT,
        ),
        (
            "https://urldefense.com/v3/__https:/teams.live.com/meet/12?p=a__;!!x$",
            "https://teams.live.com/meet/12?p=a",
        ),
        ("https://urldefense.com/v3/__https:/aka.ms/our*meeting__;LQ!!x$", "https://aka.ms/our-meeting"),
        ("https://aka.ms/our-meeting", "https://aka.ms/our-meeting"),
        (
            "https://meet.google.com/abc-defg-hij<https://meet.google.com/xxx-yyyy-zzz>",
            "https://meet.google.com/xxx-yyyy-zzz?hl=en",
        ),
    ],
)
def test_a_link_is_found_in(text: str, url: str) -> None:
    assert parse_link(text).address.url == url


@pytest.mark.parametrize(
    "ending",
    [
        *".,;:!?)]}>\"'`*…”’»。）",
        "\u200b",
        "\ufeff",
        "\u00a0",
        "%3E",
        "%22",
        "%20",
        "%E2%80%9D%2C",
        "%E2%80%8B",
        ">).",
        ")\\n",
    ],
)
def test_punctuation_never_ends_in_a_passcode(ending: str) -> None:
    assert parse_link(SHORT + ending) == parse_link(SHORT)
    inside = encoded(ending) if ending.isspace() else ending
    assert parse_link(f"{SHORT}{inside}&anon=true").address.url == f"{SHORT}&anon=true"


@pytest.mark.parametrize("value", ["a+b&c", "{a}", "{{a}}", "(a)[b]", "YQ==", "x-y_z", "~"])
def test_what_may_end_a_value_is_kept(value: str) -> None:
    assert without_ending(value) == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("https://teams.microsoft.com.evil.example/meet/123", None),
        (
            "https://teams.microsoft.com.evil.example.mcas.ms/meet/123",
            "it leads to 'teams.microsoft.com.evil.example'",
        ),
        ("https://teams.microsoft.com.mcas.ms.evil.example/meet/123", None),
        ("https://teams.microsoft.com@evil.example/meet/123", None),
        ("https://teams.microsoft.com%40evil.example/meet/123", "it leads to 'evil.example'"),
        ("https://teams.microsoft.com\\@evil.example/meet/123", None),
        ("https:\\\\teams.microsoft.com\\meet\\123", None),
        ("https://user:Secret@meet.google.com/abc-defg-hij", "it names a user or a port"),
        (
            "https://user:Secret@teams.microsoft.com.mcas.ms/meet/123",
            "it leads to 'teams.microsoft.com': it names a user or a port",
        ),
        ("https://meet.google.com:8443/abc-defg-hij", "it names a user or a port"),
        ("https://meet.g\u043e\u043egle.com/abc-defg-hij", None),
        ("https://meet.google.com\u2024evil.example/abc-defg-hij", None),
        ("https://\uff4deet.google.com/abc-defg-hij", None),
        ("https://xn--meet-google-com/abc-defg-hij", None),
        ("https://meet.google.com/\u202ejih-gfed-cba", "it has a control character"),
        ("https://meet.google.com/abc\x00-defg-hij", "it has a control character"),
        ("https://meet.google.com/abc-defg-hij\r\nHost: evil.example", "it has a control character"),
        ("https://meet.google.com/abc-%0Adefg-hij", "it has no meeting code"),
        ("https://teams.microsoft.com/meet/123?p=abc Passcode: Secret", "it has a blank"),
        ("https://teams.microsoft.com/meet/123?p=abc\u00a0Passcode:\u3000Secret", "it has a blank"),
        ("javascript:alert(1)//meet.google.com/abc-defg-hij", None),
        ("javascript://meet.google.com/abc-defg-hij%0Aalert(1)", ""),
        ("data:text/html,https://meet.google.com/abc-defg-hij", None),
        ("tel:+15551234567", None),
        ("https://evil.example/?url=https%3A%2F%2Fmeet.google.com%2Fabc-defg-hij", None),
        (
            "https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Fevil.example%2FSecret",
            "it leads to 'evil.example'",
        ),
        (
            "https://eur01.safelinks.protection.outlook.com.evil.example/?url=https%3A%2F%2Fmeet.google.com%2Fabc-defg-hij",
            None,
        ),
        (
            "https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Fteams.microsoft.com%2Fl%2Fchat%2FSecret",
            "it leads to 'teams.microsoft.com': it names no meeting",
        ),
        (
            "https://www.google.com/url?q=https://user:Secret@meet.google.com/abc-defg-hij",
            "it leads to 'meet.google.com': it names a user or a port",
        ),
        ("https://teams.microsoft.com/l%252Fchat%253FSecret", "it names no meeting"),
        ("https://www.google.com/url?q=https://evil.example/", "it leads to 'evil.example'"),
        ("https://www.google.com/url?q=" + CODE + "&q=https://meet.google.com/xxx-yyyy-zzz", None),
        ("https://www.google.com/url?q=javascript:alert(1)", None),
        ("https://protect-eu.mimecast.com/s/AbCdEf?domain=meet.google.com", "a mail filter hides its target"),
        ("https://urldefense.com/v3/__https://evil.example/**Z__;JSU!!x$", "it leads to 'evil.example'"),
        ("https://us.protection.sophos.com/?u=%%%&i=1", None),
        (
            "https://meet.google.com/" + "a" * LONGEST_LINK,
            f"it has {LONGEST_LINK + 24} characters, more than {LONGEST_LINK}",
        ),
        ("", None),
    ],
)
def test_anything_else_is_refused_in_one_line(text: str, why: str | None) -> None:
    with pytest.raises(LinkError) as refusal:
        parse_link(text)
    line = str(refusal.value)
    assert line.startswith("meeting link '")
    assert "expected" in line
    assert line.isprintable()
    assert len(line) < 500
    assert "Secret" not in line
    if why is not None:
        assert refusal.value.why.startswith(why)


def test_a_link_in_too_many_wrappers_is_refused() -> None:
    wrapped = CODE
    for _ in range(MOST_LAYERS):
        wrapped = f"https://meet.google.com/linkredirect?dest={wrapped}"
    with pytest.raises(LinkError, match=f"wrapped more than {MOST_LAYERS} times"):
        parse_link(wrapped)


PIECES = st.lists(
    st.sampled_from(
        [
            *(
                "https://",
                "http://",
                "//",
                "/",
                "\\",
                "@",
                ":",
                ":443",
                ":8443",
                "?",
                "#",
                "&",
                "=",
                "%",
                "%2F",
                "%252F",
                "%40",
            ),
            *(
                "meet.google.com",
                "teams.microsoft.com",
                "teams.live.com",
                "aka.ms",
                "g.co/meet/",
                "tel.meet",
                "evil.example",
            ),
            *(
                ".mcas.ms",
                "www.google.com/url?q=",
                "urldefense.com/v3/__",
                "__;JSU!!x$",
                "/linkredirect?dest=",
                "msteams:",
            ),
            *(
                "/meet/12",
                "?p=",
                "/abc-defg-hij",
                "abc-defg-hij",
                "/l/meetup-join/19:a@thread.v2/0",
                "/v2/#",
                "/_#",
                "javascript:",
            ),
            *(
                "/dl/launcher/launcher.html?url=",
                "/light-meetings/launch?coords=",
                "/lookup/",
                "/our-team-standup",
            ),
            *(
                "<",
                ">",
                "(",
                ")",
                "{",
                "}",
                "[",
                "]",
                ".",
                "%3E",
                "%22",
                "\u200b",
                "\u202e",
                "\x00",
                " ",
                "&amp;",
                r"\u0026",
                "*",
                "x",
            ),
        ]
    )
    | st.text(max_size=3),
    max_size=12,
).map("".join)


@given(PIECES)
def test_a_link_never_leads_elsewhere_and_is_stable(text: str) -> None:
    try:
        link = parse_link(text)
    except LinkError as refusal:
        assert str(refusal).isprintable()
        return
    parts = urlsplit(link.address.url)
    assert (parts.scheme, parts.netloc) == ("https", parts.hostname)
    assert parts.hostname in HOSTS
    assert link.address.url.isascii()
    assert parse_link(link.address.url) == link


@pytest.mark.parametrize(
    "piece",
    [
        ")",
        "(",
        ")(",
        "<",
        "%25",
        "%3E",
        "&amp;",
        "&#60;",
        "*",
        "**A",
        "](",
        "___",
        "__;",
        "\\/",
        "{",
        "}",
        ".",
        "https%3A%2F%2F",
        "|",
    ],
)
@pytest.mark.parametrize(
    "start",
    ["", CODE, "https://urldefense.com/v3/__", "https://protect.checkpoint.com/v2/___https://", "[](", "<"],
)
def test_long_texts_are_read_in_bounded_steps(start: str, piece: str) -> None:
    text = (start + piece * LONGEST_LINK)[:LONGEST_LINK]
    try:
        parse_link(text)
    except LinkError as refusal:
        assert len(str(refusal)) < 600
