/**
 * URLs by which a caller would have the gateway reach what only the gateway can reach, or would fool a check of the URL that reads it
 * differently than the client that makes the request. Hosts stand for `https://<host>/`.
 */
const list = (text: string) => text.trim().split(/\s+/)

/** Written as addresses, in all the forms that the URL standard, inet_aton and browsers know. */
export const HOSTILE_HOSTS: Readonly<Record<string, readonly string[]>> = {
  loopback: list(`
    127.0.0.1 127.0.0.2 127.1 127.0.1 127.255.255.255 127.127.127.127 127.0.0.1:443 127.0.0.1:8443 127.1:65535
    2130706433 017700000001 0x7f000001 0x7F000001 0x7f.1 0x7f.0.0.1 0177.1 0177.0.0.1 0177.0.0.01 127.0x0.0.1 127.0.0x1
    0x7f.0x0.0x0.0x1 0177.0x0.0.1 00000177.0.0.1 127.000.000.001 0x7f.0.1 127.0.0.01 0x0000007f.1 127.0.1. 127.0.0.1.
    2130706433. 0x7f000001. 127.000000000000000001 0177.00.00.01 2130706434 0x7ffffffe`),
  private: list(`
    10.0.0.1 10.255.255.255 10.1 10.0x1 012.0.0.1 0xa.0.0.1 0x0a000001 167772161 10.0.0.1:8080 172.16.0.1 172.31.255.255
    0xac.16.1 0xac100001 2886729729 192.168.0.1 192.168.1.254 192.168.1 0xc0.0xa8.1.1 0300.0250.0.1 3232235521 0xc0a80001
    030052000001 192.168.0.1.`),
  'link-local and metadata': list(`
    169.254.169.254 169.254.0.1 169.254.170.2 169.254.170.23 169.254.169.253 169.254.169.123 169.254.42.42 2852039166
    0xa9fea9fe 0xa9.0xfe.0xa9.0xfe 0251.0376.0251.0376 0251.254.169.254 169.254.43518 169.16689662 025177524776
    100.100.100.200 0x646464c8 192.0.0.192 168.63.129.16 0xa83f8110 169.254.169.254. 169.254.169.254:80 2852039166:443`),
  'this network, shared, reserved': list(`
    0.0.0.0 0 0.0 0.0.0 0x0 00 0.1 0.255.255.255 0.0.0.0:443 000.000.000.000 0x00000000 100.64.0.1 100.127.255.255 100.64.1
    0x64400001 192.0.0.1 192.0.0.8 192.0.2.1 192.88.99.1 192.88.99.2 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1
    224.0.0.1 224.0.0.251 239.255.255.250 0xe0000001 240.0.0.1 254.254.254.254 255.255.255.254 255.255.255.255 4294967295
    0xffffffff 037777777777 192.31.196.1 192.52.193.1 192.175.48.1`),
  'in other characters': list(`
    ①②⑦.⓪.⓪.① １２７.０.０.１ 127。0。0。1 127｡0｡0｡1 127．0．0．1 ①⑥⑨.②⑤④.①⑥⑨.②⑤④ １０.０.０.１ ⑩.0.0.1 𝟏𝟐𝟕.𝟎.𝟎.𝟏
    𝟙𝟚𝟟.𝟘.𝟘.𝟙 ０ｘ７ｆ.１ ２１３０７０６４３３ %31%32%37.0.0.1 127%2E0%2E0%2E1 %31%30.0.0.1 1%32%37.1 127.0.0.%31
    169%2e254%2e169%2e254 ¹²⁷.0.0.1 ₁₂₇.₀.₀.₁`),
  IPv6: list(`
    [::] [::0] [0:0:0:0:0:0:0:0] [::1] [0:0:0:0:0:0:0:1] [0000:0000:0000:0000:0000:0000:0000:0001] [::0001] [0::1] [::1]:8443
    [::2] [::127.0.0.1] [::7f00:1] [::10.0.0.1] [::a00:1] [::8.8.8.8] [fe80::1] [febf::1] [fec0::1] [feff::1] [fc00::1]
    [fd00::1] [fdff:ffff::1] [fd00:ec2::254] [fd00:ec2::23] [fd20:ce::254] [fd00:42::42] [ff02::1] [ff0e::1] [FE80::1] [FD00::1]
    [100::1] [2001:db8::1] [3fff::1] [2001:2::1] [2001:10::1] [2001:20::1] [2001:30::1] [5f00::1] [4000::1] [8000::1]
    [e000::1] [1::1] [200::1] [2001:4:112::1] [2620:4f:8000::1]`),
  'IPv4 inside IPv6': list(`
    [::ffff:127.0.0.1] [::ffff:7f00:1] [::FFFF:7F00:0001] [0:0:0:0:0:ffff:127.0.0.1] [::ffff:10.0.0.1] [::ffff:192.168.0.1]
    [::ffff:169.254.169.254] [::ffff:a9fe:a9fe] [::ffff:0.0.0.0] [::ffff:100.64.0.1] [::ffff:224.0.0.1]
    [::ffff:255.255.255.255] [::ffff:168.63.129.16] [::ffff:0:127.0.0.1] [::ffff:0:7f00:1] [64:ff9b::127.0.0.1] [64:ff9b::7f00:1]
    [64:ff9b::10.0.0.1] [64:ff9b::a9fe:a9fe] [64:ff9b::169.254.169.254] [64:ff9b::0.0.0.0] [64:ff9b:1::1]
    [64:ff9b:1::a00:1] [64:ff9b:1:fffe::10.0.0.1] [2002:7f00:1::] [2002:7f00:1::1] [2002:a00:1::1] [2002:c0a8:1::1]
    [2002:a9fe:a9fe::1] [2002:808:808::1] [2001:0:4136:e378:8000:63bf:3fff:fdd2] [2001::1] [2001:0:7f00:1::] [2001:0:0:0::1]`),
}

/** Refused for what they are, wherever they lead. */
export const HOSTILE_URLS: Readonly<Record<string, readonly string[]>> = {
  'no https': list(`
    ftp://hooks.example.com/ file:///etc/passwd file://localhost/etc/passwd gopher://127.0.0.1:6379/_INFO dict://127.0.0.1:11211/
    ldap://127.0.0.1/ ws://hooks.example.com/ wss://hooks.example.com/ data:text/plain,x javascript:alert(1) jar:https://a/
    blob:https://hooks.example.com/1 unix:/var/run/docker.sock http+unix://%2Fvar%2Frun%2Fdocker.sock/ netdoc:///etc/passwd
    mailto:a@example.com about:blank tftp://hooks.example.com/ sftp://hooks.example.com/ https:hooks.example.com
    https:/hooks.example.com https:///hooks.example.com https:////hooks.example.com //hooks.example.com /hook hooks.example.com
    hooks.example.com:443/x https https: https:// https://? https://# https://: https://:443/ httpsx://hooks.example.com/
    http://hooks.example.com/ HTTP://hooks.example.com/ http://8.8.8.8/`),
  'somebody before the host': list(`
    https://user@hooks.example.com/ https://user:secret@hooks.example.com/ https://@hooks.example.com/ https://:@hooks.example.com/
    https://hooks.example.com@127.0.0.1/ https://hooks.example.com:443@127.0.0.1/ https://hooks.example.com%40127.0.0.1/
    https://127.0.0.1@hooks.example.com/ https://a:b@c@127.0.0.1/ https://hooks.example.com&@127.0.0.1/
    https://hooks.example.com;@127.0.0.1/ https://hooks.example.com%2F@127.0.0.1/ https://%00@127.0.0.1/`),
  'what parsers read differently': [
    ...list(`
    https://hooks.example.com\\@127.0.0.1/ https:\\\\127.0.0.1/ https://\\127.0.0.1/ https:/\\127.0.0.1/ https://127.0.0.1\\x
    https://hooks.example.com\\.127.0.0.1/ https://hooks.example.com#@127.0.0.1/ https://127.0.0.1#hooks.example.com
    https://hooks.example.com/#fragment https://hooks.example.com/# https://127.0.0.1?hooks.example.com https://[::1 https://::1/
    https://[::1%25eth0]/ https://[fe80::1%25lo]/ https://[::1]x/ https://x[::1]/ https://[127.0.0.1]/ https://[]/
    https://[v1.x]/ https://256.0.0.1/ https://1.2.3.4.5/ https://127.0.0.0x100/ https://4294967296/ https://0x100000000/
    https://127..1/ https://.127.0.0.1/ https://%/ https://%zz/ https://%00/ https://a%00.example.com/ https://a%0d%0a.example.com/
    https://a%2fb.example.com/ https://a%5cb.example.com/ https://a<b.example.com/ https://a>b.example.com/ https://a^b/
    https://a|b.example.com/ https://a{b}.example.com/ https://a!b.example.com/ https://a$b.example.com/ https://a(b).example.com/
    https://a*.example.com/ https://*.example.com/ https://a,b.example.com/ https://a..example.com/ https://.example.com/
    https://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example.com/ https://xn--/ https://xn--a/ https://a%20b.example.com/`),
    'https://127.0.0.1 /',
    ' https://hooks.example.com/',
    'https://hooks.example.com/ ',
    'https://hooks.example.com/a b',
    'https://ho\toks.example.com/',
    'https://hooks.example.com/\n',
    'ht\ntps://127.0.0.1/',
    'https://hooks.example.com/\r\nHost: 127.0.0.1',
    'https://hooks.example.com/\u0000',
    'https://127.0.0.1\u200b/',
    'https://hooks\u00ad.example.com/',
    'https://hooks.example.com\u3000/',
    '\ufeffhttps://hooks.example.com/',
    'https://hooks.example.com/\u202e/moc',
    'https://hooks.example.com\u2028/',
    '',
    ' ',
  ],
  'a dot at the end': list(`
    https://hooks.example.com./ https://localhost./ https://hooks.example.com.:443/ https://hooks.example.com。/
    https://hooks.example.com%2e/ https://metadata.google.internal./ https://hooks.example.com../`),
  'a port of another protocol': list(`
    https://hooks.example.com:0/ https://hooks.example.com:1/ https://hooks.example.com:22/ https://hooks.example.com:23/
    https://hooks.example.com:25/ https://hooks.example.com:53/ https://hooks.example.com:110/ https://hooks.example.com:143/
    https://hooks.example.com:465/ https://hooks.example.com:587/ https://hooks.example.com:6000/ https://hooks.example.com:6667/
    https://hooks.example.com:10080/ https://hooks.example.com:00025/ https://hooks.example.com:65536/ https://hooks.example.com:-1/
    https://hooks.example.com:99999/ https://hooks.example.com:4294967739/ https://hooks.example.com:8080:80/
    https://hooks.example.com:0x50/ https://hooks.example.com:https/`),
  'too long': [
    `https://hooks.example.com/${'a'.repeat(2_048)}`,
    `https://${'a.'.repeat(1_100)}example.com/`,
    // Each character becomes nine.
    `https://hooks.example.com/${'€'.repeat(300)}`,
    `https://hooks.example.com/?${'a'.repeat(10_000_000)}`,
  ],
}
