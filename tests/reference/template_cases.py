"""Templates for template_check.py: snippets that try one feature, and whole chat templates.

The chat templates are written for this test in the manner of well-known model families; they are
not the families' own text.
"""
import template_families

CHAT = [{"role": "system", "content": "You are brief."},
        {"role": "user", "content": "Hi there "},
        {"role": "assistant", "content": " Hello!\nHow are you?"},
        {"role": "user", "content": "Grüße & <b>\"quotes\"</b> it's 日本語"}]

CONTEXT = {
    "s": "Hello, World", "e": "", "u": "Straße ÄÖÜ éà Ω 日本", "n": 7, "z": 0, "neg": -13,
    "f": 2.5, "big": 123456789012345, "t": True, "no": False, "nil": None,
    "l": [3, 1, 2, 2], "words": ["banana", "Apple", "cherry", "apple"], "empty": [],
    "d": {"b": 1, "a": {"x": [1, 2, {"y": "deep"}]}, "items": "shadow", "C": None},
    "people": [{"name": "Ann", "age": 41, "tags": ["x"]}, {"name": "bob", "age": 7},
               {"name": "Cid", "age": 41, "tags": []}],
    "mixed": [1, "two", 3.0, None, True, [1], {"k": "v"}],
    "text": "  lead\n\n  two\tthree  \n", "floats": [0.1, 1e16, 1e-5, 123456.789, 1e22, -0.0, 3.0],
    "quotes": "it's \"so\" \\ \n\t\x01 \u00a0\u200b",
}

# One template a line; the name of the case is the template itself.
LINES = r"""
plain text
{{ s }}|{{ e }}|{{ u }}|{{ n }}|{{ z }}|{{ neg }}|{{ f }}|{{ big }}|{{ t }}|{{ no }}|{{ nil }}
{{ l }} {{ words }} {{ d }} {{ empty }} {{ mixed }} {{ people }}
{{ floats }}
{{ quotes }} {{ [quotes] }}
{{ missing }}|{{ missing|default('x') }}|{{ d.nothing }}|{{ d['nothing'] }}
{{ missing.attribute }}
{{ missing['x'] }}
{{ missing() }}
{{ missing + 'x' }}
{{ 'x' ~ missing ~ 1 ~ none ~ true }}
{{ missing == nothing }} {{ missing == none }} {{ missing != 1 }}
{{ missing < 1 }}
{{ missing is defined }} {{ s is defined }} {{ d.zip is defined }} {{ d.a is defined }}
{{ 1 if missing else 2 }} {{ 1 if s }} {{ 1 if e }}|
{{ 1 if e else 2 if z else 3 }}
{{ (1 if t) + 1 }} {{ 'a' if t and not no else 'b' }}
{{ 1 + 2 * 3 - 4 / 2 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 2 ** 10 }} {{ 2 ** -1 }}
{{ 7.5 // 2 }} {{ -7.5 // 2 }} {{ 7.5 % 2 }} {{ -7.5 % 2 }} {{ 2.0 ** 0.5 }} {{ 1 / 3 }} {{ 10 / 5 }}
{{ 1 / 0 }}
{{ 1 // 0 }}
{{ 1.0 % 0 }}
{{ -2 ** 2 }} {{ 2 ** 3 ** 2 }} {{ -n }} {{ +n }} {{ - f }} {{ -1|abs }} {{ not t }} {{ not not t }}
{{ true + true }} {{ true * 3 }} {{ true == 1 }} {{ 1 == 1.0 }} {{ '1' == 1 }} {{ [1] == [1] }} {{ [1] == (1,) }}
{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 3 > 2 >= 2 }} {{ 'a' < 'b' }} {{ 'a' < 'B' }} {{ [1,2] < [1,3] }} {{ (1,) <= (1,) }}
{{ 1 < 'a' }}
{{ none < 1 }}
{{ 'a' in 'cat' }} {{ 'x' not in 'cat' }} {{ 2 in l }} {{ 9 in l }} {{ 'b' in d }} {{ 'q' in d }} {{ 1 in (1,2) }} {{ '' in 'a' }}
{{ 1 in 'cat' }}
{{ 'x' in missing }} {{ none in [none] }} {{ true in [1] }} {{ 1.0 in {1: 2} }}
{{ 'a' + 1 }}
{{ 1 + 'a' }}
{{ 'ab' * 3 }} {{ 3 * 'ab' }} {{ [1] * 2 }} {{ (1, 2) * 2 }} {{ 'x' * -1 }}|{{ [0] * 0 }}
{{ [1] + [2, 3] }} {{ (1,) + (2,) }} {{ l + [s] }}
{{ [1] + (2,) }}
{{ 5 - 'a' }}
{{ s[0] }} {{ s[-1] }} {{ s[99] }}| {{ s[1:4] }} {{ s[:3] }} {{ s[-3:] }} {{ s[::2] }} {{ s[::-1] }} {{ s[5:2] }}| {{ s[10:2:-3] }}
{{ l[0] }} {{ l[-1] }} {{ l[1:] }} {{ l[:-1] }} {{ l[::-1] }} {{ l[::2] }} {{ l[7] }}| {{ l[-9] }}| {{ l[1:99] }} {{ l[-99:2] }} {{ l[99:] }}
{{ u[0:7] }} {{ u[-2:] }} {{ u|length }} {{ u[3] }} {{ u[::-1] }}
{{ (1,2,3)[1:] }} {{ range(10)[2:5]|list }} {{ range(5)[-1] }} {{ (1,2,3)[::-1] }}
{{ l[::0] }}
{{ l['a'] }}|{{ s['upper']() }}|{{ l[none] }}|{{ l[1.0] }}
{{ d.b }} {{ d['b'] }} {{ d.a.x[2].y }} {{ d['a']['x'][0] }}
{{ d['items'] }} {{ d.keys()|list }} {{ d.items()|length }}
{{ d.C }} {{ d.C is none }} {{ d.get('b') }} {{ d.get('q') }} {{ d.get('q', 5) }}
{{ n.foo }}|{{ s.foo }}|{{ l.foo }}|{{ nil.foo }}|{{ t.x }}
{{ nil.foo.bar }}
{{ people.0.name }} {{ people[1].name }} {{ people[-1]['name'] }}
{{ 'a' 'b' "c" }} {{ "tab\tnl\nq\"q'" }} {{ 'x\x41\u00e9\U0001F600\101\\' }} {{ 'un\known' }}
{{ 'bad \x4' }}
{{ 'line\
joined' }}
{{ 0x1F }} {{ 0b101 }} {{ 0o17 }} {{ 1_000 }} {{ 1e3 }} {{ 1.5e-7 }} {{ 0.1 + 0.2 }} {{ 1.0 }} {{ 100000000000000000.0 }}
{{ 007 }}
{{ [1, 2,] }} {{ (1,) }} {{ () }} {{ {} }} {{ {'a': 1, 'b': [2],} }} {{ {1: 'x', none: 2, true: 3} }} {{ 1, 2 }}
{{ {'a': 1, 'a': 2} }} {{ {[1]: 2} }}
{{ true }} {{ True }} {{ false }} {{ False }} {{ none }} {{ None }}
{{ {'a': {'b': 1}}.a.b }} {{ {'x': 1}['x'] }} {{ [[1, 2], [3]][0][1] }}
{{ 3 is odd }} {{ 4 is even }} {{ 9 is divisibleby 3 }} {{ 9 is divisibleby(2) }} {{ n is not even }}
{{ s is string }} {{ n is string }} {{ n is number }} {{ f is number }} {{ t is number }} {{ n is integer }} {{ t is integer }} {{ f is float }} {{ n is float }}
{{ t is boolean }} {{ n is boolean }} {{ t is true }} {{ no is false }} {{ n is true }} {{ nil is none }} {{ z is none }}
{{ d is mapping }} {{ l is mapping }} {{ l is sequence }} {{ s is sequence }} {{ n is sequence }} {{ d is sequence }} {{ d is iterable }} {{ n is iterable }} {{ s is iterable }}
{{ missing is sequence }} {{ missing is iterable }} {{ missing is mapping }} {{ nil is iterable }} {{ range(3) is sequence }} {{ d.items() is sequence }} {{ l|map('string') is sequence }}
{{ 1 is eq 1 }} {{ 1 is equalto 2 }} {{ 1 is ne 2 }} {{ 1 is lt 2 }} {{ 2 is gt(1) }} {{ 1 is ge 1 }} {{ 1 is le 0 }} {{ 2 is in l }} {{ 2 is in [1] }} {{ 2 is not in [1] }}
{{ 'ABC' is upper }} {{ 'abc' is lower }} {{ 'Abc' is upper }} {{ '' is upper }} {{ s is callable }} {{ range is callable }} {{ nil is sameas none }} {{ 1 is sameas true }}
{{ s is defined and s is not none and s|length > 3 }}
{{ s is nonsense }}
{{ s|nonsense }}
{% nonsense %}
{{ s|trim }} {{ text|trim }}| {{ '--x--'|trim('-') }} {{ 'abcxcba'|trim('abc') }} {{ 5|trim }}
{{ s|length }} {{ l|length }} {{ d|length }} {{ e|length }} {{ l|count }} {{ missing|length }} {{ range(4)|length }}
{{ n|length }}
{{ s|upper }} {{ s|lower }} {{ u|upper }} {{ u|lower }} {{ 'hELLO wORLD-foo (bar'|title }} {{ 'hELLO wORLD'|capitalize }} {{ 12|upper }}
{{ "they're bill's".title() }} {{ "they're bill's"|title }} {{ 'x_y z1a'.title() }} {{ 'ÉTÉ été'.capitalize() }} {{ 'ǆ'.upper() }}
{{ s|replace('l', 'L') }} {{ s|replace('l', 'L', 1) }} {{ s|replace('', '-') }} {{ 'aaa'|replace('aa', 'b') }} {{ 123|replace(2, 'x') }} {{ s|replace('zz', '') }}
{{ s.replace('o', '0') }} {{ s.replace('o', '0', 1) }} {{ 'a'.replace('', 'x', 1) }} {{ ''.replace('', 'x') }}
{{ s|first }} {{ s|last }} {{ l|first }} {{ l|last }} {{ empty|first }}| {{ d|first }} {{ e|last }}|
{{ l|join }} {{ l|join(', ') }} {{ words|join('-') }} {{ people|join(', ', attribute='name') }} {{ mixed|join('|') }} {{ s|join('.') }} {{ l|join(0) }}
{{ l|sort }} {{ l|sort(reverse=true) }} {{ words|sort }} {{ words|sort(case_sensitive=true) }} {{ people|sort(attribute='age')|map(attribute='name')|list }} {{ people|sort(attribute='age', reverse=true)|map(attribute='name')|list }}
{{ mixed|sort }}
{{ people|sort(attribute='age,name')|map(attribute='name')|list }} {{ [none, none]|sort }} {{ [d, d]|sort|length }} {{ words|sort(attribute='zip')|join }}
{{ nil|map('upper')|list }} {{ z|select|list }} {{ no|rejectattr('x')|list }} {{ nil|select('nonsense')|list }}
{{ t|select|list }}
{{ n|indent }}
{{ n[1:] }}
{{ d[1:] }}
{{ l|map('string')[1:] }}
{{ words|unique|list }} {{ l|unique|list }} {{ words|unique(case_sensitive=true)|list }} {{ people|unique(attribute='age')|map(attribute='name')|join }}
{{ l|reverse|list }} {{ s|reverse }} {{ l|list }} {{ s|list }} {{ d|list }} {{ missing|list }}
{{ d|dictsort }} {{ {'b': 1, 'A': 2}|dictsort }} {{ {'b': 1, 'A': 2}|dictsort(true) }} {{ {'b': 1, 'A': 2}|dictsort(by='value') }} {{ {'b': 1, 'A': 2}|dictsort(reverse=true) }}
{{ {'a': 1}|items|list }} {{ missing|items|list }} {% for k, v in d|items %}{{ k }},{% endfor %}
{{ people|selectattr('tags')|map(attribute='name')|list }} {{ people|rejectattr('tags')|map(attribute='name')|list }} {{ people|selectattr('age', 'equalto', 41)|list|length }} {{ people|selectattr('age', '>', 10)|map(attribute='name')|join(',') }}
{{ people|selectattr('tags', 'defined')|list|length }} {{ people|rejectattr('tags', 'undefined')|list|length }} {{ people|selectattr('name', 'in', ['bob'])|list }} {{ people|selectattr('name', 'eq', 'Ann')|first }}
{{ l|select('odd')|list }} {{ l|reject('odd')|list }} {{ [0, 1, '', 'a', none]|select|list }} {{ mixed|select('string')|list }} {{ l|select('gt', 1)|list }} {{ l|select('divisibleby', 2)|list }}
{{ words|map('upper')|list }} {{ words|map('replace', 'a', 'o')|join(' ') }} {{ people|map(attribute='tags', default='none')|list }} {{ people|map(attribute='tags.0')|list }} {{ l|map('string')|join }} {{ words|map('length')|sum }}
{{ l|map('nonsense')|list }}
{{ l|select('nonsense')|list }}
{{ l|min }} {{ l|max }} {{ words|min }} {{ words|max }} {{ l|sum }} {{ people|sum(attribute='age') }} {{ l|sum(start=10) }} {{ people|max(attribute='age') }} {{ empty|min }}|
{{ -5|abs }} {{ neg|abs }} {{ f|abs }} {{ '42'|int }} {{ ' 42 '|int }} {{ 'x'|int }} {{ 'x'|int(7) }} {{ '3.9'|int }} {{ 3.9|int }} {{ -3.9|int }} {{ '0x1f'|int(0, 16) }} {{ nil|int }} {{ t|int }} {{ l|int(3) }}
{{ '2.5'|float }} {{ 'x'|float }} {{ 'x'|float(1.5) }} {{ 3|float }} {{ '1e3'|float }} {{ nil|float }}
{{ 2.5|round }} {{ 3.5|round }} {{ 2.675|round(2) }} {{ 42|round }} {{ 42.55|round(1) }} {{ 42.55|round(1, 'floor') }} {{ 42.51|round(0, 'ceil') }} {{ 1234.5|round(-2) }} {{ -0.4|round }} {{ 42|round(0, 'floor') }}
{{ '<a href="x">&\'</a>'|escape }} {{ '<'|e }} {{ '<b>'|safe }} {{ 5|e }}
{{ 'a\nb\n\nc'|indent }} {{ 'a\nb'|indent(2, true) }} {{ 'a\n\nb'|indent(2, blank=true) }} {{ 'a\nb'|indent('> ') }} {{ 'x'|indent(first=true) }} {{ 'a\nb\n'|indent(1) }}|
{{ d|tojson }} {{ mixed|tojson }} {{ floats|tojson }} {{ quotes|tojson }} {{ u|tojson }} {{ nil|tojson }} {{ t|tojson }} {{ '</script>\x7f'|tojson }}
{{ d|tojson(indent=2) }} {{ empty|tojson(indent=4) }} {{ {}|tojson(indent=1) }} {{ mixed|tojson(indent=0) }} {{ l|tojson(indent='--') }} {{ people|tojson(indent=4) }}
{{ {'b': 1, 'a': 2}|tojson(sort_keys=true) }} {{ l|tojson(separators=(',', ':')) }} {{ d|tojson(separators=(',', ':')) }} {{ {1: 2, none: 3, true: 4, 1.5: 6}|tojson }} {{ (1, 2)|tojson }}
{{ missing|tojson }}
{{ d.items()|tojson }}
{{ s|string }} {{ n|string + 'x' }} {{ nil|string }} {{ missing|string }}| {{ l|string|length }} {{ f|string }}
{{ missing|default }}| {{ missing|d('x') }} {{ e|default('x') }}| {{ e|default('x', true) }} {{ nil|default('x') }} {{ nil|default('x', boolean=true) }} {{ missing|default(default_value=3) }}
{{ missing is callable }} {{ 'straße x'.title() }} {{ s|default('q')|upper|lower|title|length }}
{{ s|trim(bogus=1) }}
{{ s|replace('a') }}
{{ s|upper(1) }}
{{ s.split() }} {{ s.split(', ') }} {{ text.split() }} {{ 'a,b,,c'.split(',') }} {{ 'a,b,c'.split(',', 1) }} {{ ' a  b '.split(' ') }} {{ ''.split() }} {{ ''.split(',') }} {{ 'a b c'.split(none, 1) }} {{ 'a b c '.split(maxsplit=1) }}
{{ 'a,b,c'.rsplit(',', 1) }} {{ 'a b'.rsplit() }} {{ 'abc'.split('') }}
{{ '<think>x</think>y'.split('</think>')[-1].lstrip('\n') }} {{ '<think>x</think>y'.split('</think>')[0].split('<think>')[-1] }}
{{ text.strip() }}|{{ text.lstrip() }}|{{ text.rstrip() }}|{{ 'xxaxx'.strip('x') }}|{{ 'xyaxy'.lstrip('yx') }}|{{ 'axy'.rstrip('yx') }}|{{ 'é aé'.strip('é') }}
{{ s.startswith('Hell') }} {{ s.endswith('ld') }} {{ s.startswith('x') }} {{ s.startswith(('x', 'H')) }} {{ s.endswith(('x', 'y')) }} {{ s.startswith('') }}
{{ s.startswith(1) }}
{{ s.upper() }} {{ s.lower() }} {{ s.title() }} {{ 'abc'.capitalize() }} {{ 'Straße'.upper() }}
{{ s.find('o') }} {{ s.find('zz') }} {{ s.find('o', 5) }} {{ s.rfind('o') }} {{ s.index('W') }} {{ u.find('é') }} {{ s.count('l') }} {{ s.count('') }} {{ s.find('') }} {{ s.find('', 99) }} {{ s.find('o', -5) }}
{{ s.index('zz') }}
{{ '-'.join(words) }} {{ ''.join(['a', 'b']) }} {{ ', '.join(d) }}
{{ '-'.join(l) }}
{{ 'a\nb\r\nc\rd'.splitlines() }} {{ 'a\n'.splitlines() }} {{ ''.splitlines() }} {{ 'a\nb'.splitlines(true) }}
{{ 'abc'.isalpha() }} {{ 'ab1'.isalnum() }} {{ '12'.isdigit() }} {{ ''.isdigit() }} {{ ' '.isspace() }} {{ 'AB'.isupper() }} {{ 'ab'.islower() }} {{ 'a=b=c'.partition('=') }} {{ 'a=b=c'.rpartition('=') }} {{ 'abc'.partition('x') }} {{ 'abc'.rpartition('x') }}
{{ 'prefix-x'.removeprefix('prefix-') }} {{ 'x.txt'.removesuffix('.txt') }} {{ 'abc'.removeprefix('z') }}
{{ d.items()|list }} {{ d.keys() }} {{ d.values() }} {{ {'a': 1}.items() }} {{ d.copy() == d }}
{{ d.pop('a') }}
{{ d.update({}) }}
{{ l.index(2) }} {{ l.count(2) }} {{ (1, 2).index(2) }}
{{ l.sort() }}
{{ s.nope() }}
{{ n() }}
{{ range(5)|list }} {{ range(2, 5)|list }} {{ range(5, 0, -2)|list }} {{ range(0)|list }} {{ range(3) }} {{ range(1, 9, 2) }}
{{ range(1, 2, 0) }}
{{ range(200000)|length }}
{{ dict(a=1, b=2) }} {{ dict([('x', 1)]) }} {{ dict(d, z=1).z }} {{ dict() }}
{% set ns = namespace(a=1, b='x') %}{% set ns.a = ns.a + 1 %}{% set ns.c = 5 %}{{ ns.a }}{{ ns.b }}{{ ns.c }}{{ ns.zz }}|{{ ns }}
{% set ns = namespace({'q': 1}) %}{{ ns.q }}{{ ns['q'] }}{% set ns.q = ns.q ~ 'x' %}{{ ns.q }}
{% set x.y = 1 %}
{% set d.y = 1 %}
{{ raise_exception('boom') }}
{% if no %}{{ raise_exception('boom') }}{% endif %}fine
{{ strftime_now('%d %b %Y') }} {{ strftime_now('%Y-%m-%d %H:%M:%S') }} {{ strftime_now('%A, %B %-d, %y %j %I %p %%') }} {{ strftime_now is defined }}
{% if n > 5 %}big{% elif n > 3 %}mid{% else %}small{% endif %} {% if no %}a{% elif nil %}b{% else %}c{% endif %}
{% if e %}1{% endif %}{% if empty %}2{% endif %}{% if z %}3{% endif %}{% if l %}4{% endif %}{% if d %}5{% endif %}{% if missing %}6{% endif %}{% if 0.0 %}7{% endif %}{% if 'x' %}8{% endif %}
{% for x in l %}{{ x }}{% endfor %} {% for x in empty %}a{% else %}none{% endfor %} {% for x in missing %}a{% else %}undef{% endfor %} {% for c in 'héy' %}{{ c }}.{% endfor %}
{% for x in n %}{% endfor %}
{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }};{% endfor %}
{% for x in l %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }} {{ loop.previtem is defined }};{% endfor %}
{% for x in l if x != 2 %}{{ loop.index }}/{{ loop.length }}={{ x }} {% endfor %} {% for x in l if x > 9 %}{% else %}nothing{% endfor %}
{% for x in l %}{% for y in l %}{{ loop.depth }}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %} {% for k in d %}{{ k }}{% endfor %} {% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}
{% for a, b in [(1, 2, 3)] %}{% endfor %}
{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% if loop.index == 3 %}{% break %}{% endif %}{% endfor %} done
{% for x in l %}{% set y = x %}{% endfor %}{{ y }}| {% set y = 0 %}{% for x in l %}{% set y = y + x %}{{ y }}{% endfor %}{{ y }}
{% for x in [1, 2] %}{% if x == 1 %}{% set q = 5 %}{% endif %}{{ q }}|{% endfor %}
{% if t %}{% set y = 3 %}{% endif %}{{ y }} {% set a, b = 1, 2 %}{{ a }}{{ b }} {% set a = 1, 2 %}{{ a }} {% set s = 'shadow' %}{{ s }}
{% set x %}block {{ n }}{% endset %}[{{ x }}] {% set x | trim | upper %}  y {% endset %}[{{ x }}] {% set x %}{% endset %}[{{ x }}]{{ x is string }}
{% filter upper %}abc {{ s }}{% endfilter %} {% filter replace('a', 'b') | trim %} aaa {% endfilter %}
{% with a = 1, b = n %}{{ a }}{{ b }}{% endwith %}{{ a }}| {% with %}{% set q = 1 %}{{ q }}{% endwith %}
{% macro m(a, b=2, c='x') %}[{{ a }}{{ b }}{{ c }}]{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(1, c='z') }}{{ m(b=5, a=4) }}{{ m() }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, a=2) }}
{% macro f(n) %}{% if n > 0 %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }} {{ f(3)|length }}
{% set g = 'global' %}{% macro m() %}{{ g }}{% endmacro %}{{ m() }}{% set g = 'later' %}{{ m() }}
{% macro m() %}{{ s }}{% set s = 'inner' %}{{ s }}{% endmacro %}{{ m() }}{{ s }}
{% macro m(x) %}{{ x.name }}{% endmacro %}{% for p in people %}{{ m(p) }},{% endfor %} {{ m(people[0])|upper ~ '!' }}
{% for i in [1, 2] %}{% macro q() %}{{ i }}{% endmacro %}{{ q() }}{% endfor %}
{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(3) }}
{% macro m() %}  text  {% endmacro %}{{ m() is string }}{{ m()|trim }}{{ m.name }}
{% raw %}{{ not }} {% parsed %} {# here #}{% endraw %} after
{# a comment #}x{# another
over lines #}y
a{# unclosed
{{ unclosed
{% if x %}
{% endif %}
{{ }}
{{ 1 2 }}
{{ (1 }}
{{ [1, 2 }}
{{ 'abc }}
{{ a. }}
{{ a| }}
{% set %}
{% for x %}{% endfor %}
{% for in l %}{% endfor %}
{% if %}{% endif %}
{% else %}
{% break %}
{% macro %}{% endmacro %}
{% set true = 1 %}
{{ {'a' 1} }}
{{ a ? b }}
{{ 1 if }}
{{ x is }}
{{ @ }}
{% generation %}made{% endgeneration %} {%- generation -%} up {%- endgeneration -%} !
{{ messages|length }} {{ messages[0].role }} {{ messages[-1]['content'] }} {{ messages[1:]|map(attribute='role')|join(',') }}
{% for m in messages %}{{ m.role }}:{{ m.content|trim }};{% endfor %} {{ tools }} {{ tools is defined }} {{ tools is none }} {{ bos_token }}{{ eos_token }}
{{ messages|selectattr('role', 'equalto', 'user')|list|length }} {{ (messages|selectattr('role', 'equalto', 'user')|list)[-1].content }} {{ messages | selectattr("role", "equalto", "system") | map(attribute="content") | first }}
{% set first_user = (messages|selectattr('role','eq','user')|first) %}{{ first_user.content }} {% set m = messages[1:] if messages[0].role == 'system' else messages %}{{ m|length }}
{{ l|map('string')|list|join(',') }} {% set gen = l|select('odd') %}{{ gen|list }}{{ gen|list }} {% set g = l|map('abs') %}{{ g|first }}{{ g|first }}{{ g|list }}
{{ (l|select('odd'))[0] }}|{{ l|select('odd')|length }}
{{ 'a' ~ 1 + 2 ~ 'b' }} {{ 1 ~ 2 * 3 }} {{ 'x' ~ 'y' == 'xy' }} {{ not 1 == 2 }} {{ 1 in [1] and 2 not in [1] }} {{ 'a' ~ ('b' if t else 'c') ~ 'd' }}
{{ 'abc'|length + 1 }} {{ ('abc' ~ 'd')|length }} {{ 'abc' ~ 'd'|length }} {{ -1|abs + 2 }} {{ 1 + -1 }} {{ 2 - -2 }}
{{ t and 5 }} {{ no or 'x' }} {{ z or e or nil }} {{ t or missing.x.y }} {{ no and missing.x.y }} {{ n and l and d and 'end' }}
{{ not missing }} {{ missing and 1 }}| {{ missing or 1 }} {{ 1 and missing }}|
{{ s.split(',')[0].upper().lower()[1:3] }} {{ (s ~ s)[3:9].strip() }} {{ words[0][0] }} {{ people[0].tags[0] }}
{{ {'role': 'x'}.role }} {{ {'get': 1}['get'] }}
{{ loop }} {{ loop.index }}
{{ namespace() }} {{ cycler is defined and false }}
{{ f(*l) }}
{% include 'x' %}
{% extends 'x' %}
{% import 'x' as y %}
{% call x() %}{% endcall %}
{% do l.append(1) %}
{{ 9223372036854775807 }} {{ -9223372036854775807 }}
{{ [1, 2, 3]|last }} {{ {'a': 1}|length }} {{ (1, 2)|first }} {{ [] is sequence }} {{ [[]]|first|length }}
{{ ['a', 'b'] == ['a', 'b'] }} {{ {'a': 1} == {'a': 1.0} }} {{ {'a': 1} != {'b': 1} }} {{ none == none }} {{ none == false }} {{ 'a' != 'a' }} {{ range(3) == [0, 1, 2] }}
{{ 10 ** 3 }}
{{ 1 in [[1], 2] }} {{ [1] in [[1], 2] }} {{ 'b' in words }} {{ 'apple' in words|join }} {{ 3 in range(5) }}
{{ true is boolean }} {{ 1.0 is integer }} {{ 'a' is in 'abc' }} {{ x is undefined or x is none }} {{ (n is number) and (s is string) }}
{{ n is divisibleby 7 and true }} {{ n is eq 7 or false }} {{ 'yes' if n is eq 7 else 'no' }} {{ n is eq(7) }} {{ l is eq [3, 1, 2, 2] }}
{%- for m in messages -%}{{- m.role -}}{%- endfor -%}
{{ '{{' }} {{ "}}" }} {{ '%}' }} {{ {'a': {'b': {}}} }} {{ {'a':{'b':{}}}}}
{{ "a" if "x" in {"x": 1} else "b" }} {{ [x for x in l] }}
{{- s -}} tail {{- s }} {{ s -}}   tail
"""

# What Jinja2 renders and plexus refuses, and what plexus renders beyond it (with the text):
# docs/formats/chat-template.md lists these differences.
REFUSED = [
    "{{ '%s' % s }}", "{{ '%s and %s'|format('a', 'b') }}", "{{ s.encode('utf-8') }}",
    "{{ 'x'.center(5) }}", "{{ 10 ** 20 }}", "{{ 9223372036854775807 + 1 }}", "{{ 1e400 }}",
    "{{ l|batch(2)|list }}", "{% for x in l recursive %}{% endfor %}", "{{ s.zfill(3) }}",
    "{% if no %}{{ s|nonsense }}{% endif %}", "{{ dict(**d) }}", "{{ '\\ud83d' }}",
    "{% include 'x' ignore missing %}", "{% block x %}{% endblock %}", "{{ s|tojson(true) }}",
    "{% call(x) m() %}{% endcall %}",
]
BEYOND = [
    ("{% set q = [1] %}{% set _ = q.append(2) %}{{ q }}", "[1, 2]"),
    ("{% set q = [] %}{% for x in l %}{{ q.append(x) or '' }}{% endfor %}{{ q }}", "[3, 1, 2, 2]"),
    ("{{ d.get('q', default=5) }}", "5"), ("{{ ('<'|safe) + '<' }}", "<<"),
    ("{{ range(9)[2:4] }}", "[2, 3]"),
]

# Whitespace control, where line ends matter.
SPACES = [
    "a\n{% if true %}\nb\n{% endif %}\nc\n", "a\n  {% if true %}  \n  b\n  {% endif %}  \nc",
    "a  {% if true %} b {% endif %} c", "a\n  {%- if true %}\n  b\n  {%- endif %}\nc",
    "a\n  {% if true -%}\n  b\n  {% endif -%}\nc", "a\n  {%+ if true %}b{%+ endif %}\nc",
    "a\n  {% if true +%}\nb{% endif +%}\nc", "  {{ 1 }}  \n  {{- 2 -}}  \n  {{ 3 }}\n",
    "{{ 1 }}\n{{ 2 }}\n", "{{ 1 }}\n\n", "\n", "\n\n", "", "  ", "x\r\ny\rz\r\n",
    "{# c #}\nx\n  {# c #}  \ny", "{#- c -#}\nx\n  {#- c -#}  \ny", "x  {#+ c +#}\ny",
    "  {% set x = 1 %}\n{{ x }}", "\t{% set x = 1 %}\t{{ x }}", "{% set x = 1 %}\n\n{{ x }}",
    "{% for i in [1,2] %}\n{{ i }}\n{% endfor %}\n", "{% for i in [1,2] -%}\n{{ i }}\n{%- endfor %}\n",
    "  {% raw %}\n  {{ x }}\n  {% endraw %}\nend", "{%- raw -%}\n  x  \n{%- endraw -%}\n end",
    "{% raw %}{% endraw %}", "x {% raw -%} y {%- endraw %} z",
    "a\u00a0{%- if true %}b{% endif %}", "a\u2003\n{%- if true -%}\u2003b{% endif %}",
    "{% macro m() %}\n  x\n{% endmacro %}\n[{{ m() }}]", "{% set x %}\n y\n{% endset %}\n[{{ x }}]",
    "line {{ '\n' }}end\n{{ 'a\r\nb' }}", "{%if true%}x{%endif%}", "{%-if true-%} x {%-endif-%}",
    "{% if true %}{% if true %}\n\nx{% endif %}{% endif %}\n", "x\n\n   {% if true %}y{% endif %}",
    "   {% if true %}y{% endif %}\n   {% if true %}z{% endif %}", "{{ 1 -}}\n\n x",
    "{{ '\\n' }}\n{%- if true %}\n{{ '' }}{% endif %}", "{ { x } } {% raw %}{{{% endraw %}",
    "{{1}}{{-1}}{{ -1 }}{{ - 1 }}", "{%- set a = 1 -%}\n\n{%- set b = 2 %}\n\n{{ a }}{{ b }}",
    "{# {{ x }} {% if %} #}y", "{#- #}x", "{##}x", "{#-#}x\n", "{% if true %}\r\nx\r\n{% endif %}\r\n",
    "\v{% if true %}x{% endif %}", "é\n  {% if true %}\n  ü{% endif %}", "{{ x }}{{\n\n1\n}}",
    "{% if 1 %}a{%endif%}\n\n\n", "a{% if 1 %}\n\nb{% endif %}c", "{{ '#}' }}{# '}}' #}",
]


def snippets():
    lines = LINES.strip("\n").replace("\\\njoined", "\0").split("\n")
    for line in lines:
        template = line.replace("\0", "\\\njoined")
        yield template, template, CONTEXT
    for template in SPACES:
        yield "spaces " + repr(template), template, CONTEXT


def differences():
    """Pairs of a template and what plexus makes of it: None where it refuses it."""
    for template in REFUSED:
        yield template, None
    yield from BEYOND


def families():
    return template_families.FAMILIES


TOOLS = [{"type": "function", "function": {
    "name": "get_weather", "description": "Weather of a \"city\" & more",
    "parameters": {"type": "object", "properties": {
        "city": {"type": "string", "description": "Name"},
        "days": {"type": "integer", "enum": [1, 3, 7]},
        "where": {"type": "array", "items": {"type": "number"}}}, "required": ["city"]}}},
    {"type": "function", "function": {"name": "noop", "description": "Nothing",
                                      "parameters": {"type": "object", "properties": {}}}}]

CALL = {"role": "assistant", "content": "", "tool_calls": [{
    "id": "call00001", "type": "function",
    "function": {"name": "get_weather", "arguments": {"city": "Köln", "days": 3}}}]}


def conversations():
    yield "plain chat", CHAT, {}
    yield "no system", CHAT[1:2], {}
    yield "ends with assistant", CHAT[:3], {}
    yield "no messages", [], {}
    yield "wrong order", [CHAT[1], CHAT[1]], {}
    yield "tools", CHAT, {"tools": TOOLS}
    yield "tool call", [], {"tools": TOOLS, "messages": [
        CHAT[1], CALL, {"role": "tool", "content": "{\"t\": 21}", "name": "get_weather",
                        "tool_call_id": "call00001"},
        {"role": "assistant", "content": "<think>\nhm\n</think>\n\nIt is 21."}, CHAT[3]]}
    yield "parts", [], {"messages": [{"role": "user", "content": [
        {"type": "text", "text": "Look:"}, {"type": "image"}, {"type": "text", "text": "what?"}]}]}
    yield "thinking off", CHAT, {"enable_thinking": False, "reasoning_effort": "low"}
    yield "documents", CHAT[1:2], {"documents": [{"title": "A", "text": "aa"}, {"title": "B"}]}
