"""Places of credentials that a name and a sign do not tell: in headers, commands, files of programs, SQL, XML, JSON."""

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from delivery.credential_patterns import LISTED, NAME, QUOTED, SCHEME


class Place(NamedTuple):
    """Where a program, a file or a language takes a credential."""

    needed: tuple[str, ...]  # in small letters, what no text lacks that has one
    pattern: str  # whose last group is the credential
    flags: re.RegexFlag
    made_up: bool  # whether only what looks like one is one: other things stand there too
    named: bool  # whether the name of a credential is a part of it

    def matches(self, text: str) -> Iterator[re.Match[str]]:
        return compiled(self.pattern, self.flags).finditer(text)


@cache
def compiled(pattern: str, flags: re.RegexFlag) -> re.Pattern[str]:
    """A pattern when a text needs it: most runs need few, and to compile all takes as long as to read a tree."""
    return re.compile(pattern, flags)


def place(needed: str, pattern: str, *, case: bool = False, made_up: bool = False) -> Place:
    flags = re.MULTILINE | (re.NOFLAG if case else re.IGNORECASE)
    return Place(tuple(needed.split("\t")), pattern, flags, made_up, named=NAME in pattern or LISTED in pattern)


WORD = r"['\"]?([^\s'\";|&<>`]+)"  # of a command
SAME_COMMAND = r"\s(?:[^\n;|&]{0,200}?\s)??"  # what may stand between a program and an option
NAMED = r"\b(?:name|key|id)\\?[\"']?\s*[:=][ \t]*\\?[\"']?"  # `name: `, before the name of a credential
VALUED = r"\b(?:value|val|default|content)\\?[\"']?\s*[:=][ \t]*"
OTHER = r"(?:[\s,]{0,40}\\?[\"']?[\w-]{1,30}\\?[\"']?\s*[:=](?!\s*[\[{|>])[^\n,{}\[\]<>]{0,80}){0,3}?"
NESTED = rf"^(?P<of>[ \t]{{0,99}})(?=\S[^\n:]*:[ \t]*\n)(?:- )?[\"']?{NAME}[\"']?:[ \t]*\n"  # of YAML, with more below
USER = r"(?:-[uU]|--?(?:user(?:name)?|login|account))[\s=]?\S+"
SHORT_OPTION = r"-(?:[pPw](?:\s|(?![a-z]{1,9}(?:\s|\Z)))|-?pass(?:wd|word)?\s)"
# programs whose option -p or -P is none: a port, a path, a number of processes
OTHER_PROGRAM = (
    r"(?:^|[\s/;|&(])(?:mkdir|cp|mv|ps|ssh|scp|sftp|patch|read|tar|x?args|e?grep|perl|rsync|nc|ncat|netstat|ss|lsof|docker"
    r"|podman|nerdctl|git|kubectl|oc|kill|pgrep|touch|trap|psql|pg_\w+|pip|nginx|iptables|tee|python\d*|redis-\w+|nmap|npm"
    r"|terraform|unshare|ionice|cargo|make|install)\s"
)
COMMAND = rf"(?:^|[;&|])(?![^\n;&|]*{OTHER_PROGRAM})[^\n;&|]*?"

SAYS = r"\b(?:echo|printf)\s+(?:-\w+\s+){0,3}(?:['\"]%s['\"]\s+)?"

PLACES = (
    # headers
    place(
        "authorization",
        r"\bauthorization\\?[\"']?(?:[ \t]*[:=][ \t]*|[ \t]+(?=[\"']))\\?[\"']?"
        rf"(?:{SCHEME}|(?:[\w-]+(?:\s|%20)+)?(?=[^\s$]{{8,}}))"
        r"([^\s\"',;\\$]{6,})",
    ),
    place("authorization", r"\bauthorization:[ \t][^\n\"']{0,300}?\b(?:signature|response)=([^\s,\"']{6,})"),
    place("authorization", rf"{NAMED}(?:proxy-)?authorization\\?[\"']?{OTHER}[\s,]{{0,40}}\\?[\"']?{VALUED}{QUOTED}"),
    place(
        "cookie",
        r"\b(?:set-)?cookie(?:\\?[\"']?\s*:\s*|[ \t]+)\\?[\"']?(?:[\w.-]+=[^;\n]{1,80};[ \t]*){0,9}?"
        r"(?!(?:path|domain|max-age|expires|samesite|lang|locale|theme)=)[\w.-]+=([^\s;\"'\\]{6,})",
    ),
    place("curl", r"\bcurl\s[^\n]{0,300}?(?:-b|--cookie)[\s=]*['\"]?[\w.-]+=([^\s'\";]+)"),
    # a name and its value side by side
    place("val\tdefault\tcontent", rf"{NAMED}{NAME}\\?[\"']?{OTHER}[\s,]{{0,40}}\\?[\"']?{VALUED}{QUOTED}"),
    place(
        "val\tdefault\tcontent",
        rf"{VALUED}{QUOTED}{OTHER}[\s,]{{0,40}}\\?[\"']?{NAMED}{NAME}\\?[\"']?\s*(?=[,}}\n]|\Z)",
    ),
    place("variable", rf"\bvariable\s+\"{NAME}\"\s*\{{[^}}]{{0,200}}?\bdefault\s*=\s*{QUOTED}"),  # Terraform
    # URLs
    place("@tcp(\t@udp(\t@unix(", r"(?<![\w/.])[\w.-]+:([^\s/:@'\"]+)@(?:tcp|udp|unix)\("),  # Go's MySQL driver
    place("thin:", r"\bthin:[\w$#]+/([^\s/@'\"]+)@"),  # Oracle's JDBC driver
    place("?\t&\t#\tsig=", rf"[?&#](?:{NAME}|sig|[\w-]*signature)=([^&\s\"'#;]+)"),
    place("sig=", r"\bsig=([^&\s\"'#;]{8,})"),
    place(
        "@",
        r"(?<![\w/.:@])(?!(?:mailto|sips?|xmpp|acct|git|ssh):)[\w.-]{1,60}:([^\s/@:'\"]+)@(?!sha\d+:)[\w-]",
        made_up=True,
    ),
    place("pwd={\tpassword={", r"\b(?:pwd|password)=\{([^{}\n]+)\}"),  # ODBC
    # SQL
    place(
        "password\tidentified",
        r"\b(?:(?:USER|ROLE|LOGIN)\s[^;\n]{0,200}?\bPASSWORD(?:\s*=)?|SET\s+PASSWORD\s[^;\n]{0,100}?=|\bPASSWORD\s*\("
        r"|IDENTIFIED\s+(?:WITH\s+\S+\s+)?(?:BY|AS))\s*\(?N?'([^'\n]+)'",
    ),
    place("identified by", r"\bIDENTIFIED\s+BY\s+([^\s'\";]+)", made_up=True),
    place("sqlplus\tconnect ", r"\b(?:sqlplus|CONNECT)\s(?:-\w+\s+)*\w+/([^\s/@'\"]+)@"),
    place("insert into", rf"\([^()\n]*?\b{NAME}\b[^()\n]*\)\s*VALUES\s*\(([^;\n]*)\)"),
    # commands
    place("mysql\tmariadb", rf"\b(?:mysql\w*|mariadb[\w-]*){SAME_COMMAND}-p(?!ort){WORD}", case=True),
    place("redis-cli\tsshpass", rf"\b(?:redis-cli{SAME_COMMAND}-a|sshpass\s+-p)\s*{WORD}"),
    place("curl", rf"\bcurl{SAME_COMMAND}(?:-u|--user)[\s=]*['\"]?[^\s:'\"]+:([^\s'\"]+)"),
    place("login", rf"\b(?:login|az|add|useradd){SAME_COMMAND}(?:-p|--password)[\s=]+{WORD}", case=True),
    place(
        " -p\t -w",
        rf"{COMMAND}(?<!sudo ){USER}\s(?:[^\n;|&]{{0,200}}?\s)??{SHORT_OPTION}\s*(?![-\d:]+(?:\s|\Z)){WORD}",
        case=True,
    ),
    place(" -p", rf"{COMMAND}\s-[pP]\s?{WORD}", case=True, made_up=True),
    place("ldap", rf"\bldap\w+{SAME_COMMAND}-w\s*{WORD}", case=True),
    place("zip\t7z", rf"\b(?:un)?zip{SAME_COMMAND}-P\s*{WORD}|\b7za?{SAME_COMMAND}-p{WORD}", case=True),
    place("pass:", r"(?:\s|=)pass:([^\s'\"]+)"),  # openssl
    place(
        "user\tauth\tcred\t -a\t -u",
        r"\s(?:-[uUa]|--?(?:[\w-]*user|[\w-]*auth|cred\w*|userpwd))[\s=]['\"]?[\w.@-]+[:%]([^\s/:'\"]+)",
        made_up=True,
    ),
    place("%", r"\bsmbclient\s[^\n]*?-U\s*[\w.\\-]+%([^\s'\"]+)", case=True),
    place("ftp", r"\bl?ftp\s[^\n]*?-u\s+[^\s,]+,([^\s'\"]+)", case=True),
    place(
        "rabbitmqctl\thtpasswd\tmc \tsentinel\tvault\tnet user",
        r"\b(?:rabbitmqctl\s+(?:-\S+\s+)*(?:add_user|change_password|authenticate_user)\s+\S+"
        r"|htpasswd\s+-\w*b\w*(?:\s+-\w+)*(?:\s+[^\s-]\S*){1,2}?|sentinel\s+auth-pass\s+\S+|vault\s+login"
        r"|mc\s+(?:alias\s+set|config\s+host\s+add)\s+\S+\s+\S+\s+\S+|net\s+user\s+\S+)"
        rf"\s+(?![-/<|]){WORD}(?=\s*(?:$|[;&|/)\"']))",
    ),
    place("aws", rf"\baws\s+configure\s+set\s+\S*{NAME}\s+(?![-/<|]){WORD}"),
    place("--from-literal", r"\bsecret\s[^\n]*?--from-literal[=\s]['\"]?[^\s=]+=([^\s'\"]+)"),
    place(
        "echo\tprintf",
        rf"{SAYS}(?:['\"]?[\w.-]+:(?=\S+\s*\|\s*chpasswd))?{WORD}['\"]?\s*\|\s*(?:sudo\s+)?"
        r"(?:chpasswd|passwd|kinit|sudo\s+-\S*S|[^\n|]{0,300}?(?:--?password-stdin|--stdin|--with-token|--passphrase-fd|-pass\s+stdin))",
    ),
    place("echo\tprintf", rf"{SAYS}{WORD}['\"]?\s*>>?\s*\S*{NAME}\b"),
    place("echo\tprintf", rf"{SAYS}{WORD}['\"]?\s*\|\s*(?:cryptsetup|zfs\s+load-key)\b"),
    place("<<<", rf"\b{NAME}\s*<<<\s*{WORD}"),
    place("securestring", rf"\bSecureString\s(?:[^\n]*?--value[\s=]+)?{WORD}", made_up=True),
    place("sign(\tverify(", r"\b(?:sign|verify)\(\s*\w+\s*,\s*[\"']([^\"']+)", made_up=True),
    place("snmp", rf"\bsnmp\w+\s[^\n]*?\s-A\s*{WORD}", case=True),
    place("snmp", rf"\bsnmp\w+\s[^\n]*?\s-X\s*{WORD}", case=True),
    place("<<<", rf"\b(?:login|passwd|kinit|sudo|gpg|openssl|psql|mysql)\b[^\n|]*<<<\s*{WORD}"),
    place("expect", r"\bexpect\s[^\n]*pass[^\n]*\n\s*send\s+(?:--\s+)?\"([^\"\\\n]+)"),
    # files of programs
    place("login", r"\blogin\s+\S+\s+password\s+[\"']?([^\s\"']+)"),  # .netrc
    place("user", r"\buser[ \t]+\S+[ \t]+password[ \t]+[\"']?([^\s\"']+)", made_up=True),  # fetchmail
    place(":", r"(?:^|['\"])[\w.*-]+:(?:[0-9]+|\*):[\w.*-]+:[\w.*-]+:([^\s'\"]+)(?=['\"]|$)"),  # .pgpass
    place("requirepass\tmasterauth", r"^[ \t]*(?:requirepass|masterauth)\s+[\"']?([^\s\"']+)"),  # redis.conf
    place(" >", r"^[ \t]*user\s+\S+\s[^\n]*?(?<=\s)>(\S+)"),  # a user of Redis
    place('" "', r'^"[\w.-]+" "([^"\n]+)"$'),  # userlist.txt of PgBouncer
    place(  # htpasswd
        ":$\t:{", r"(?<![\w.@-])[\w.@-]+:(?:\$(?:apr1|2[aby]|[156])\$|\{[A-Z0-9-]{3,}\})([^\s\"',:]+)", case=True
    ),
    place("$", r"(?<![\w$])\$(?:apr1|2[aby]|[156y])\$([^\s\"':,]{8,})", case=True),  # crypt
    place('"auth"', r"\"auth\"\s*:\s*\"([A-Za-z0-9+/=]{8,})\""),  # config.json of Docker
    place("_auth\t:_", r"(?:^|:)_(?:authToken|auth|password)\s*=\s*[\"']?([^\s\"']+)"),  # .npmrc
    place("auth", r"^[ \t]*(?:stats|redis)[ \t]+auth[ \t]+(?:\S+:)?(\S+)$"),  # HAProxy
    place("community", r"^[ \t]*r[ow]community6?\s+(\S+)"),  # SNMP
    place("createuser", r"^[ \t]*createUser\s+\S+\s+\w+\s+[\"']?([^\s\"']+)"),
    place("createuser", r"^[ \t]*createUser\s+\S+\s+\w+\s+\S+\s+\w+\s+[\"']?([^\s\"']+)"),
    place("putty", r"^Private-(?:Lines: \d+\n((?:[^\n:]+\n)+)|(?=MAC))"),
    place("private-mac", r"^Private-MAC: (\S+)"),
    place("login=\tuser=", r"\b(?:login|user)=[\w.-]+:([^\s:]+)"),  # Squid, coturn
    place("[", r"^\[?[\w.-]+\]?(?::\d+)?[ \t]+[\w.@-]+:(\S+)$", made_up=True),  # Postfix
    place("@", r"^[\w.-]+[ \t]+[\w.-]+@[\w.-]+:(\S+)$"),
    place("setcookie", rf"-setcookie\s+{WORD}"),  # Erlang
    place('"kty"', r"\"(?:d|k|p|q|dp|dq|qi)\"\s*:\s*\"([\w-]{8,})\""),  # a JSON Web Key
    place("private_key_id", r"\"private_key_id\"\s*:\s*\"([^\"]+)\""),
    place("oauth", r"\"[\w-]*oauth\"\s*:\s*\{\s*\"[^\"]+\"\s*:\s*\"([^\"]+)\""),
    place("<auth-user-pass>", r"<auth-user-pass>\s*\S+\s+(\S+)"),
    place("auth(", r"\b\w+\.auth\(\s*['\"][^'\"]+['\"]\s*,\s*['\"]([^'\"]+)"),
    place("password,\tpassword\n", r"^(?:[\w ]+,)+password[ \t]*\r?\n((?:[^\n]*,[^\n]*(?:\n|\Z))+)"),  # CSV
    # XML
    place(
        "</",
        rf"<(?:\w+:)?{NAME}(?:\s[^<>]*[^<>/])?>\s*"
        r"(?:<!\[CDATA\[)?([^<>\[\]]*[^<>\[\]\s])(?:\]\]>)?\s*</",
    ),
    place("</password_", r"<password_\w+>([^<>\s]+)</"),  # ClickHouse
    place("</", rf"<(\w+)>\s*{NAME}\s*</\1>\s*<(?:value|string)>\s*([^<>]*[^<>\s])"),
    place("<", rf"<[^<>]*?\b(?:name|key|id)=[\"']{NAME}[\"'][^<>]*>\s*([^<>\s][^<>]*)</"),
    place("<", rf"<[^<>]*?\b(?:name|key|id)=[\"'](?:{NAME})[\"'][^<>]*?\bvalue=[\"']([^\"'\n]+)"),
    # JSON patches and YAML of several lines
    place(
        "path",
        rf"\bpath[\"']?\s*:\s*[\"']?/\S*?/{NAME}[\"']?\s*,?\s*[\"']?value[\"']?\s*:\s*{QUOTED}",
    ),
    place(
        "stringdata",
        rf"\bpath[\"']?\s*:\s*[\"']?/stringData/\S+?[\"']?\s*,?\s*[\"']?value[\"']?\s*:\s*{QUOTED}",
    ),
    place(
        ": |\t: >\t:|\t:>",
        rf"^(?P<of>[ \t]{{0,99}})(?=\S[^\n:]*:[ \t]*[|>])(?:- )?[\"']?{NAME}[\"']?:[ \t]*[|>][+-]?[0-9]?[ \t]*\n"
        r"((?:(?P=of)[ \t]+\S.*(?:\n|\Z))+)",
    ),
    place(
        "- ",
        rf"^(?P<of>[ \t]{{0,99}})(?=\S[^\n:]*:[ \t]*\n)(?:- )?[\"']?{LISTED}[\"']?:[ \t]*\n"
        r"((?:(?P=of)[ \t]*- [^\n:]+(?:\n|\Z))+)",
    ),
    place(
        "{",
        rf"(?<![\w.-]){NAME}[\"']?\s*[:=]\s*\{{(?:[^{{}}\n]{{0,200}}[\s,])??[\"']?[\w.-]+[\"']?\s*[:=]\s*[\"']([^\"'\s]+)",
        made_up=True,
    ),
    place("[", rf"(?<![\w.-]){LISTED}[\"']?\s*[:=]\s*\[\s*([^\[\]{{}}\n]{{3,}})\]"),
    place(
        ":",
        rf"{NESTED}(?P=of)[ \t]+(?:(?:value|plain|literal|text|raw):[ \t]*)?(?!\S+:(?:\s|\Z)|[-#] ){QUOTED}[ \t]*$",
    ),
    place(
        ":",
        rf"{NESTED}(?:(?P=of)[ \t]+[\w.-]+:[^\n]*\n){{0,20}}?"
        r"(?P=of)[ \t]+[\w.-]+:[ \t]*[\"']?(?=\S*\d)(?=\S*[A-Za-z])([^\s\"']{8,})[\"']?[ \t]*$",
        made_up=True,
    ),
    place('"""\t\'\'\'', rf"\b{NAME}\s*=\s*(?:\"\"\"|\'\'\')\s*([^\"']+?)\s*(?:\"\"\"|\'\'\')"),  # TOML
)  # fmt: skip
