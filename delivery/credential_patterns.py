"""How credentials are called and written: regular expressions for credentials.py."""

import re

# how the name of a credential ends; not that of a file, a user or another object with one
NAME = (
    r"(?:[\w.-]{0,60}?(?:pass(?:word|wort|wd|phrase|code)s?|(?:(?<![a-z])|ssh|store|key|db|user|admin|root|smtp|mail|bind"
    r"|require|default)pass|masterauth|htpasswd|pwd|(?:(?<![a-z])|bind|root|mod|admin)pw|authtok|(?<![a-z])psk|keymaterial|contrase\u00f1a"
    r"|(?<!existing)(?<!existing_)(?<!existing-)secrets?(?:[_-]string)?|tokens?|credentials?|mnemonic|bearer|(?:git\w{2,3}|access|[_-])pat"
    r"|(?:api|access|secret|private|signing|signature|encryption|cipher|master|auth|account|license|shared|session|app|aes|hmac"
    r"|jwt|fernet|cookie|storage|preshared|instrumentation|client|sharedaccess|webhook|integration)[_.-]?keys?"
    r"|client[_-]?key[_-]?data|tlsclientkey|secret[_.-]?key[_.-]?base|httpheadervalue[0-9]"
    r"|private[_-]?key[_-]?pem|password[_.-]?hash|(?:password|secret)[_.-]?pepper|(?:password|auth|secret|nonce|hash)[_.-]?salt))"
)
# what is called like this may be one, if it looks like one
WEAK_NAME = (
    r"(?:[\w.-]{0,60}?(?:auth|cookie|seed|salt|pepper|signing|(?<![a-z])(?:pin|sas|dsn|creds?|encrypt|session(?:[_-]?id)?)"
    r"|userpass|keys?|secret[_-]?id))"
)
# in what every name of a credential has; the names in a text are looked for around it
STEM = re.compile(
    r"pass|pwd|pw|secret|token|cred|key|salt|auth|mnemonic|bearer|pat|cookie|seed|pepper|sign|pin|sas|dsn|psk|keymat|encrypt|session"
    r"|contrase|httpheader",
    re.IGNORECASE,
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
NAME_AT = re.compile(rf"{NAME}(?!\w)", re.IGNORECASE)
MAY_BE_SECRET = re.compile(rf"{WEAK_NAME}\Z", re.IGNORECASE)
# within a text: `password: x`, `"apiKey": "x"`, `PASSWORD=x`, `--password=x`, `host=a password=x`
QUOTED = (
    r"""(?:"((?:[^"\\\n]|\\.)+)"|\\+"((?:[^"\\\n]|\\[^"\n])+)\\+"|'([^'\n]+)'|`([^`\n]+)`"""
    r"""|((?:\$\{[^}\n]*\}|\$\([^)\n]*\)|<[^<>\n]*>|\{\{[^}\n]*\}\}|[^\s"'`,;&}\])>]){1,1000}))"""
)
# `name: x`, `name=x`, `"name": "x"`, `name := x`, `env['name'] = 'x'`, `define('name', 'x')`, `<name>x`
SIGN = (
    r"""\\*["'`]?\]?[ \t]*(?:(?::|\bas\b)[ \t]*&?\w+[ \t]*=|[:?!=]=|=>|<-|[:=])[ \t]*"""
    r"""(?:&\w+[ \t]+|!{1,2}\w+[ \t]+)?(?:N(?=')|@(?=")|<<(?="))?"""
    r"""|["'][ \t]*,[ \t]*|[ \t]*,[ \t]*<<(?=")|\n:[ \t]+"""
)
SPACE = r"""["']?[ \t]+(is[ \t]+)?"""  # `--name x`, and `name x` of a line of settings
ASSIGNED = re.compile(
    rf"""(?:^|[\s;,&?{{("'`=\[$#:<-])({NAME}|{WEAK_NAME})(?:({SIGN})|{SPACE}){QUOTED}""", re.IGNORECASE | re.MULTILINE
)
BEGINS = re.compile(
    r"""[\s#?-]*(?:(?:export|set|setenv|local|ENV|ARG|var|let|const)[ \t]+)?["']?\Z"""
)  # a line, before a name
ANOTHER = re.compile(r"""[\s,;&]\s*\\*["']?[\w.-]+\\*["']?\s*[:=]""")  # name after a value
URL_PASSWORD = re.compile(r"(?<=://)[^\s/:@'\"]*:([^\s/@'\"]+)(?=@)")
LISTED = r"[\w.-]{0,60}?(?:password|passwd|passphrase|token|(?:api|access)[_-]?key)s?"  # lists of secrets are of names
SCHEME = r"(?:bearer|basic|token|digest|apikey|splunk|geniekey|key)(?:\s|%20)+"  # of a header Authorization
AUTHORIZED = re.compile(rf"{SCHEME}[^\s\"'$<{{]{{6,}}", re.IGNORECASE)
# what is a credential by its looks
LOOKS = re.compile(
    r"-----BEGIN (?:[A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?|OpenVPN Static key V1)-----[\s\S]*?(?:-----END [\w ]*-----|\Z)"
    r"|\bAGE-SECRET-KEY-1\w+|\bpypi-[\w-]{16,}|\bhv[sb]\.[\w-]{20,}|\bdop_v1_\w{20,}|\bSG\.[\w-]{16,}\.[\w-]{16,}"
    r"|\bwebhook\.office\.com/webhookb2/[\w/@-]{16,}|\bdiscord(?:app)?\.com/api/webhooks/[\w/-]{16,}"
    r"|(?<=api\.telegram\.org/bot)[0-9]+:[\w-]{16,}"
    r"|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36,}\b|\bgithub_pat_\w{40,}\b|\bglpat-[\w-]{20,}"
    r"|\bxox[abprs]-[\w-]{10,}|\bAIza[\w-]{35}\b|\bsk_live_\w{16,}|\bhooks\.slack\.com/services/[\w/]{20,}"
    r"|(?<=://)(?=[^\s/@:]*[0-9])[\w-]{16,}(?=@)"
    r"|\bnpm_[A-Za-z0-9]{36}\b|\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"
)
LOOKED = [
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
    "hooks.slack.com/",
    "://",
    "npm_",
    "eyj",
    "age-secret-key",
    "pypi-",
    "hvs.",
    "hvb.",
    "dop_v1_",
    "sg.",
    "webhook.office.com/",
    "discord",
]
# what stands for a value: a reference, a template, a path, a word that is none; not one with a value of its own
DEFAULT = r"\w+:?[-=][^$}]|[A-Z_0-9]+:[^-+=?$}]"
NO_VALUE = re.compile(
    rf"\$\(.*\)|\$\{{(?!{DEFAULT}).*\}}|\$\w+(?:[./][\w./-]*)?|\$__\w+\{{.*\}}|\{{\{{(?!.*\bdefault\s+[\"'][^\"']).*|<.*>|%\(.*\)s|\*+"
    r"|(?:\.{0,2}/[\w.-]+){2,}/?|(?i:true|false|null|none|yes|no|on|off)|~|\|[+-]?|>[+-]?|(?!\{\{)[{\[(].*",
    re.DOTALL,
)
# what names a Secret rather than being one, under a name that ends in "secret"
NAMED_SECRET = re.compile(r".*secrets?\Z", re.IGNORECASE)
OBJECT_NAME = re.compile(r"(?:[a-z0-9][a-z0-9.-]*/)?[a-z0-9][a-z0-9.-]*")
LIKE_SECRET = re.compile(r".*(?:secret|credential|password|token|cert|tls|key)s?\Z")
# `user:password` under such a name
BASIC = re.compile(r"(?:.*[_-])?(?:basic[_-]?auth|auth|creds?|userpass)\Z", re.IGNORECASE)
NAMED_VALUE = re.compile(r"^(?:neo4j/|[\w.-]+=(?=\S*\Z))")  # `session=x` of a cookie, before what is made up
PAIR = re.compile(r"[\w.@-]+:[^\s/]\S*")
COUNT = re.compile(r"tokens\Z", re.IGNORECASE)  # of a limit, if its value is a number
# words after an option in a sentence
SENTENCE = re.compile(
    r"(?:to|is|or|and|for|from|in|of|with|if|as|option|flag|must|may|can|instead|are|was|has|needs?|given|when|on|at|the|an?)",
    re.IGNORECASE,
)
