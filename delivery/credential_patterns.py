"""How credentials are called and written: regular expressions for credentials.py."""

import re

# how the name of a credential ends; not that of a file, a user or another object with one
NAME = (
    r"(?:[\w.-]{0,60}?(?:passwords?|passwd|passphrase|(?:(?<![a-z])|store|key|db|user|admin|root|smtp|mail|bind|require)pass"
    r"|masterauth|htpasswd|pwd|(?<!existing)(?<!existing_)(?<!existing-)secrets?"
    r"|tokens?|credentials?"
    r"|(?:api|access|secret|private|signing|encryption|master|auth|account|license|shared|session|app)[_.-]?keys?"
    r"|secret[_.-]?key[_.-]?base|(?:password|auth|secret|nonce)[_.-]?salt))"
)
# under such a key a text is a credential wherever it stands; under others only in variables, annotations and data
ANYWHERE = re.compile(
    r"[\w.-]*?(?:passwords?|passwd|passphrase|(?:api|access|account)[_-]?keys?|(?:access|auth)[_-]?tokens?"
    r"|authorization|connection_?string|dsn)",
    re.IGNORECASE,
)
# what nobody calls a thing: under the name of a credential it is one wherever it stands
RANDOM = re.compile(r"(?=.*[0-9])(?=.*[a-z])(?=.*[A-Z])[\w+/=.~-]{16,}|[0-9a-f]{32,}")
SECRET_NAME = re.compile(rf"{NAME}\Z", re.IGNORECASE)
# within a text: `password: x`, `"apiKey": "x"`, `PASSWORD=x`, `--password=x`, `host=a password=x`
QUOTED = r"""(?:"((?:[^"\\\n]|\\.)+)"|'([^'\n]+)'|((?:\$\{[^}\n]*\}|\{\{[^}\n]*\}\}|[^\s"',;&}\]])+))"""
ASSIGNED = re.compile(
    rf"""(?:^|[\s;,&?{{("'=-])({NAME})["']?[ \t]*(?:=>|[:=])[ \t]*{QUOTED}""", re.IGNORECASE | re.MULTILINE
)
URL_PASSWORD = re.compile(r"(?<=://)[^\s/:@'\"]*:([^\s/@'\"]+)(?=@)")
LISTED = r"[\w.-]{0,60}?(?:password|passwd|passphrase|token|(?:api|access)[_-]?key)s?"  # lists of secrets are of names
SCHEME = r"(?:bearer|basic|token|digest)\s+"  # of a header Authorization
AUTHORIZED = re.compile(rf"{SCHEME}[^\s\"'$<{{]{{6,}}", re.IGNORECASE)
# what stands where a program, a file or a language takes a credential, and in small letters what no such text lacks
PLACED = (
    (
        ("authorization",),
        re.compile(
            rf"\bauthorization[\"']?(?:\s*[:=]\s*|\s+(?=[\"']))[\"']?{SCHEME}([^\s\"',;\\]{{6,}})", re.IGNORECASE
        ),
    ),
    (
        ("value",),
        re.compile(
            rf"""\bname["']?\s*[:=]\s*["']?{NAME}["']?\s*,?\s*["']?value["']?\s*[:=]\s*{QUOTED}""", re.IGNORECASE
        ),
    ),
    (
        ("@tcp(", "@udp(", "@unix("),
        re.compile(r"(?<![\w/.])[\w.-]+:([^\s/:@'\"]+)@(?:tcp|udp|unix)\("),
    ),  # Go's MySQL driver
    (("thin:",), re.compile(r"\bthin:[\w$#]+/([^\s/@'\"]+)@")),  # Oracle's JDBC driver
    (
        ("password", "identified"),
        re.compile(  # SQL
            r"\b(?:(?:USER|ROLE)\s[^;\n]{0,200}?\bPASSWORD|IDENTIFIED\s+BY)\s+'([^'\n]+)'", re.IGNORECASE
        ),
    ),
    (
        ("mysql", "mariadb"),
        re.compile(r"\b(?:mysql\w*|mariadb[\w-]*)\s(?:[^\n;|&]{0,200}?\s)??-p(?!ort)['\"]?([^\s'\";|&]+)"),
    ),
    (
        ("redis-cli", "sshpass"),
        re.compile(r"\b(?:redis-cli\s(?:[^\n;|&]{0,200}?\s)??-a|sshpass\s+-p)\s*['\"]?([^\s'\";|&]+)"),
    ),
    (("curl",), re.compile(r"\bcurl\s(?:[^\n;|&]{0,200}?\s)??(?:-u|--user)[\s=]*['\"]?[^\s:'\"]+:([^\s'\"]+)")),
    (("login",), re.compile(r"\blogin\s+\S+\s+password\s+(\S+)")),  # .netrc
    ((":",), re.compile(r"^[\w.*-]+:(?:[0-9]+|\*):[\w.*-]+:[\w.*-]+:(\S+)$", re.MULTILINE)),  # .pgpass
    (
        ("requirepass", "masterauth"),
        re.compile(r"^[ \t]*(?:requirepass|masterauth)\s+[\"']?([^\s\"']+)", re.MULTILINE),
    ),  # redis.conf
    ((" >",), re.compile(r"^[ \t]*user\s+\S+\s[^\n]*?(?<=\s)>(\S+)", re.MULTILINE)),  # a user of Redis
    (('" "',), re.compile(r'^"[\w.-]+" "([^"\n]+)"$', re.MULTILINE)),  # userlist.txt of PgBouncer
    (
        (":$", ":{sha}"),
        re.compile(r"(?<![\w.@-])[\w.@-]+:(?:\$(?:apr1|2[aby]|[156])\$|\{SHA\})([^\s\"',]+)"),
    ),  # htpasswd
    (
        ("login",),
        re.compile(r"\blogin\s(?:[^\n;|&]{0,200}?\s)??(?:-p|--password)[\s=]+['\"]?([^\s'\";|&]+)"),
    ),  # of a registry
    (('"auth"',), re.compile(r"\"auth\"\s*:\s*\"([A-Za-z0-9+/=]{8,})\"")),  # config.json of Docker
    (("?", "&"), re.compile(rf"[?&]{NAME}=([^&\s\"'#;]+)", re.IGNORECASE)),  # the query of a URL
    (("</",), re.compile(rf"<{NAME}>([^<>\n]+)</", re.IGNORECASE)),  # XML
    (
        ("path",),
        re.compile(  # a JSON patch
            rf"""\bpath["']?\s*:\s*["']?/(?:stringData/\S+?|\S*?/{NAME})["']?\s*,?\s*["']?value["']?\s*:\s*{QUOTED}""",
            re.IGNORECASE,
        ),
    ),
    (
        (": |", ": >", ":|", ":>"),
        re.compile(  # a block of YAML
            rf"^(?P<of>[ \t]*)(?=[^\n:]+:[ \t]*[|>])(?:- )?[\"']?{NAME}[\"']?:[ \t]*[|>][+-]?[0-9]?[ \t]*\n"
            r"((?:(?P=of)[ \t]+\S.*(?:\n|\Z))+)",
            re.IGNORECASE | re.MULTILINE,
        ),
    ),
    (
        ("- ",),
        re.compile(  # a list of YAML
            rf"^(?P<of>[ \t]*)(?=[^\n:]+:[ \t]*\n)(?:- )?[\"']?{LISTED}[\"']?:[ \t]*\n"
            r"((?:(?P=of)[ \t]*- [^\n:]+(?:\n|\Z))+)",
            re.IGNORECASE | re.MULTILINE,
        ),
    ),
    (
        ("[",),
        re.compile(rf"(?<![\w.-]){LISTED}[\"']?\s*[:=]\s*\[\s*([^\[\]{{}}\n]{{3,}})\]", re.IGNORECASE),
    ),  # a list of JSON
    ((":_",), re.compile(r":_(?:authToken|auth|password)\s*=\s*[\"']?([^\s\"']+)")),  # .npmrc
)
# what is a credential by its looks
LOOKS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|\Z)"
    r"|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36,}\b|\bgithub_pat_\w{40,}\b|\bglpat-[\w-]{20,}"
    r"|\bxox[abprs]-[\w-]{10,}|\bAIza[\w-]{35}\b|\bsk_live_\w{16,}|\bhooks\.slack\.com/services/[\w/]{20,}"
    r"|(?<=://)(?=[^\s/@:]*[0-9])[\w-]{20,}(?=@)"
    r"|\bnpm_[A-Za-z0-9]{36}\b|\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"
)
LOOKED = (
    *(
        "-----begin ",
        "akia",
        "ghp_",
        "gho_",
        "ghu_",
        "ghs_",
        "ghr_",
        "github_pat_",
        "glpat-",
        "xox",
        "aiza",
        "sk_live_",
    ),
    *("hooks.slack.com/", "://", "npm_", "eyj"),
)
# what stands for a value: a reference, a template, a path, a word that is none; not one with a value of its own
DEFAULT = r"\w+:?[-=][^$}]|[A-Z_0-9]+:[^-+=?$}]"
NO_VALUE = re.compile(
    rf"\$\(.*\)|\$\{{(?!{DEFAULT}).*\}}|\$\w+|\$__\w+\{{.*\}}|\{{\{{(?!.*\bdefault\s+[\"'][^\"']).*|<.*>|%\(.*\)s|\*+"
    r"|(?:\.{0,2}/[\w.-]+){2,}/?|(?i:true|false|null|none|yes|no|on|off)|~|\|[+-]?|>[+-]?|(?!\{\{)[{\[(].*",
    re.DOTALL,
)
# without which a text holds none: most texts are passed over
HINT = re.compile(
    r"pass|pwd|masterauth|secret|token|credential|key|salt|auth|identified|:_auth|htpasswd|npm_"
    r"|curl|mysql|mariadb|redis-cli|\blogin\b|thin:|://|@tcp\(|@udp\(|@unix\(|BEGIN |AKIA|gh[a-z]_|_pat_|glpat|xox"
    r"|AIza|sk_live|eyJ|:\$(?:apr1|2[aby]|[156])\$|\{SHA\}|^[ \t]*user\s[^\n]*>|^\"[^\"\n]+\" \"",
    re.IGNORECASE | re.MULTILINE,
)
# what names a Secret rather than being one, under a name that ends in "secret"
NAMED_SECRET = re.compile(r".*secrets?\Z", re.IGNORECASE)
OBJECT_NAME = re.compile(r"(?:[a-z0-9][a-z0-9.-]*/)?[a-z0-9][a-z0-9.-]*")
LIKE_SECRET = re.compile(r".*(?:secret|credential|password|token|cert|tls|key)s?\Z")
# `user:password` under such a name
BASIC = re.compile(r"(?:.*[_-])?(?:basic[_-]?auth|auth)\Z", re.IGNORECASE)
PAIR = re.compile(r"[\w.@-]+:[^\s/]\S*")
COUNT = re.compile(r"tokens\Z", re.IGNORECASE)  # of a limit, if its value is a number
