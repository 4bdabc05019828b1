"""Texts that mean something to a database, a shell, a template or a browser, where they are not taken as text."""

_HEADS = (
    "x' OR '1'='1", "x') OR ('1'='1", "' OR 1=1--", '" OR ""="', "'; DROP TABLE catalog.model_card;--", "1; select pg_sleep(10)", "' union select null--",
    "' union all select version()--", "%' or '%'='", "' and 1=cast(version() as int)--", "$$; select 1; $$", "\\'; select 1--", "'/**/or/**/1=1",
    "admin'--", "' || (select string_agg(user_id, ',') from access.profile) || '", "');select pg_read_file('/etc/passwd')--", "0x27206f7220313d31",
    "' or sleep(5)#", "1 or 1=1", "1' waitfor delay '0:0:5'--", "' order by 100--", "' group by 1 having 1=1--", "'||chr(39)||'", "\u2019 or 1=1--",
    "%27%20or%201=1", "::text; --", ":word_0", ":as_of or true", "%(q)s", "{sees}", "{{7*7}}", "${7*7}", "<script>alert(1)</script>", "$(id)", "`id`",
    "|| ping -c 1 127.0.0.1", "../../etc/passwd", "..\\..\\windows", "\r\nSet-Cookie: a=b", "\u202eabc\u202c", "%%%%%%", "____", "\\\\\\\\", "[a-z]+$^",
    "(((((", "~*.*", "E'\\x27'", "U&'\\0027'", "null::", "=cmd|' /C calc'!A0",
)  # fmt: skip
#: each alone, inside another word, and after one that is there
INJECTIONS = [shape.replace("?", head) for head in _HEADS for shape in ("?", "zz?zz", "nowhere ?")]
