"""Chat templates in the manner of well-known model families, written for template_check.py."""

LLAMA2 = r"""{% if messages and messages[0]['role'] == 'system' %}{% set preamble = messages[0]['content'] %}{% set turns = messages[1:] %}{% else %}{% set preamble = false %}{% set turns = messages %}{% endif %}{% for turn in turns %}{% if (turn['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Turns must go user, assistant, user, assistant and so on') }}{% endif %}{% if loop.index0 == 0 and preamble != false %}{% set body = '<<SYS>>\n' + preamble + '\n<</SYS>>\n\n' + turn['content'] %}{% else %}{% set body = turn['content'] %}{% endif %}{% if turn['role'] == 'user' %}{{ bos_token + '[INST] ' + body.strip() + ' [/INST]' }}{% elif turn['role'] == 'assistant' %}{{ ' ' + body.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"""

LLAMA3 = r"""{{- bos_token }}
{%- if date_string is not defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "1 Jan 2024" %}
    {%- endif %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{#- The first message may be the system's. #}
{%- if messages and messages[0]['role'] == 'system' %}
    {%- set sys = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set sys = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\n\n" }}
{{- "Today: " + date_string + "\n\n" }}
{%- if tools is not none %}
    {{- "Answer with a JSON call of one of these functions when it helps.\n\n" }}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\n\n" }}
    {%- endfor %}
{%- endif %}
{{- sys }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'tool' or message.role == 'ipython' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' }}
        {%- if message['content'] is string %}
            {{- message['content'] | trim }}
        {%- else %}
            {%- for part in message['content'] if part.type == 'text' %}
                {{- part.text }}
            {%- endfor %}
        {%- endif %}
        {{- '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("One call at a time") }}
        {%- endif %}
        {%- set call = message.tool_calls[0].function %}
        {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' -}}
        {{- '{"name": "' + call.name + '", ' }}
        {{- '"parameters": ' }}
        {{- call.arguments | tojson }}
        {{- "}" }}
        {{- "<|eot_id|>" }}
    {%- else %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\n\n" }}
        {%- if message.content is mapping or message.content is iterable and message.content is not string %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot_id|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
{%- endif %}
"""

CHATML = r"""{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + (m['content'] if m['content'] is string else '') + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"""

CHATML_DEFAULT = r"""{%- if not messages or messages[0].role != 'system' -%}
{{ '<|im_start|>system\nBe useful.<|im_end|>\n' }}
{%- endif -%}
{%- for m in messages -%}
<|im_start|>{{ m.role }}
{% generation %}
{{ m.content }}<|im_end|>
{% endgeneration %}
{%- endfor -%}
{%- if add_generation_prompt -%}
<|im_start|>assistant
{% endif -%}"""

QWEN = r"""{%- macro text_of(content) -%}
    {%- if content is string -%}
        {{- content -}}
    {%- elif content is iterable -%}
        {%- for part in content -%}
            {%- if part.type == 'text' or 'text' in part -%}{{- part.text -}}{%- else -%}<|pad|>{%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro -%}
{%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- if messages[0].role == 'system' %}
        {{- messages[0].content + '\n\n' }}
    {%- endif %}
    {{- "# Functions\n\nThese may be called:\n<tools>" }}
    {%- for tool in tools %}
        {{- "\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\n</tools>\n\nWrite <tool_call>{\"name\": ..., \"arguments\": ...}</tool_call><|im_end|>\n" }}
{%- else %}
    {%- if messages and messages[0].role == 'system' %}
        {{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
    {%- endif %}
{%- endif %}
{%- set ns = namespace(searching=true, last=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set at = (messages|length - 1) - loop.index0 %}
    {%- if ns.searching and message.role == "user" and not (message.content is string and message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.searching = false %}
        {%- set ns.last = at %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\n' + text_of(message.content) + '<|im_end|>' + '\n' }}
    {%- elif message.role == "assistant" %}
        {%- set content = message.content %}
        {%- set thought = '' %}
        {%- if message.thought is defined and message.thought is not none %}
            {%- set thought = message.thought %}
        {%- elif '</think>' in message.content %}
            {%- set content = message.content.split('</think>')[-1].lstrip('\n') %}
            {%- set thought = message.content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last and (loop.last or (not loop.last and thought)) %}
            {{- '<|im_start|>' + message.role + '\n<think>\n' + thought.strip('\n') + '\n</think>\n\n' + content.lstrip('\n') }}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\n' + content }}
        {%- endif %}
        {%- if message.tool_calls %}
            {%- for call in message.tool_calls %}
                {%- if (loop.first and content) or (not loop.first) %}
                    {{- '\n' }}
                {%- endif %}
                {%- if call.function %}
                    {%- set call = call.function %}
                {%- endif %}
                {{- '<tool_call>\n{"name": "' }}
                {{- call.name }}
                {{- '", "arguments": ' }}
                {%- if call.arguments is string %}
                    {{- call.arguments }}
                {%- else %}
                    {{- call.arguments | tojson }}
                {%- endif %}
                {{- '}\n</tool_call>' }}
            {%- endfor %}
        {%- endif %}
        {{- '<|im_end|>\n' }}
    {%- elif message.role == "tool" %}
        {%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\n<tool_response>\n' }}
        {{- message.content }}
        {{- '\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\n\n</think>\n\n' }}
    {%- endif %}
{%- endif %}"""

MISTRAL = r"""{{ bos_token }}{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('user and assistant must alternate') }}{% endif %}{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + ' [/INST]' }}{% elif m['role'] == 'assistant' %}{{ m['content'] + eos_token }}{% else %}{{ raise_exception('unknown role: ' + m['role']) }}{% endif %}{% endfor %}"""

MISTRAL_TOOLS = r"""{%- if messages and messages[0]["role"] == "system" %}
    {%- set sys = messages[0]["content"] %}
    {%- set chat = messages[1:] %}
{%- else %}
    {%- set chat = messages %}
{%- endif %}
{%- set users = chat | selectattr("role", "equalto", "user") | list %}
{%- set ns = namespace(index=0) %}
{%- for m in chat %}
    {%- if not (m.role == "tool" or m.role == "tool_results" or (m.tool_calls is defined and m.tool_calls is not none)) %}
        {%- if (m["role"] == "user") != (ns.index % 2 == 0) %}
            {{- raise_exception("roles must alternate after an optional system message") }}
        {%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}
{{- bos_token }}
{%- for m in chat %}
    {%- if m["role"] == "user" %}
        {%- if tools is not none and (m == users[-1]) %}
            {{- "[AVAILABLE_TOOLS] [" }}
            {%- for tool in tools %}
                {%- set tool = tool.function %}
                {{- '{"type": "function", "function": {' }}
                {%- for key, val in tool.items() if key != "return" %}
                    {%- if val is string %}
                        {{- '"' + key + '": "' + val + '"' }}
                    {%- else %}
                        {{- '"' + key + '": ' + val|tojson }}
                    {%- endif %}
                    {%- if not loop.last %}
                        {{- ", " }}
                    {%- endif %}
                {%- endfor %}
                {{- "}}" }}
                {%- if not loop.last %}{{- ", " }}{%- else %}{{- "]" }}{%- endif %}
            {%- endfor %}
            {{- "[/AVAILABLE_TOOLS]" }}
        {%- endif %}
        {%- if loop.last and sys is defined %}
            {{- "[INST] " + sys + "\n\n" + m["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " ~ m["content"] ~ "[/INST]" }}
        {%- endif %}
    {%- elif m.tool_calls is defined and m.tool_calls is not none %}
        {{- "[TOOL_CALLS] [" }}
        {%- for call in m.tool_calls %}
            {%- set out = call.function|tojson %}
            {{- out[:-1] }}
            {%- if not call.id is defined or call.id|length != 9 %}
                {{- raise_exception("call ids have 9 characters") }}
            {%- endif %}
            {{- ', "id": "' + call.id + '"}' }}
            {%- if not loop.last %}{{- ", " }}{%- else %}{{- "]" + eos_token }}{%- endif %}
        {%- endfor %}
    {%- elif m["role"] == "assistant" %}
        {{- " " + m["content"]|trim + eos_token }}
    {%- elif m["role"] == "tool" %}
        {%- if m.content is defined and m.content.content is defined %}
            {%- set content = m.content.content %}
        {%- else %}
            {%- set content = m.content %}
        {%- endif %}
        {{- '[TOOL_RESULTS] {"content": ' + content|string + ", " }}
        {{- '"call_id": "' + m.tool_call_id + '"}[/TOOL_RESULTS]' }}
    {%- else %}
        {{- raise_exception("only user, assistant and tool are known") }}
    {%- endif %}
{%- endfor %}
"""

GEMMA = r"""{{ bos_token }}
{%- if messages and messages[0]['role'] == 'system' -%}
    {%- if messages[0]['content'] is string -%}
        {%- set prefix = messages[0]['content'] + '\n\n' -%}
    {%- else -%}
        {%- set prefix = messages[0]['content'][0]['text'] + '\n\n' -%}
    {%- endif -%}
    {%- set rest = messages[1:] -%}
{%- else -%}
    {%- set prefix = "" -%}
    {%- set rest = messages -%}
{%- endif -%}
{%- for m in rest -%}
    {%- if (m['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception("Turns must alternate between user and assistant") }}
    {%- endif -%}
    {%- if (m['role'] == 'assistant') -%}
        {%- set role = "model" -%}
    {%- else -%}
        {%- set role = m['role'] -%}
    {%- endif -%}
    {{ '<start_of_turn>' + role + '\n' + (prefix if loop.first else "") }}
    {%- if m['content'] is string -%}
        {{ m['content'] | trim }}
    {%- elif m['content'] is iterable -%}
        {%- for item in m['content'] -%}
            {%- if item['type'] == 'image' -%}
                {{ '<start_of_image>' }}
            {%- elif item['type'] == 'text' -%}
                {{ item['text'] | trim }}
            {%- endif -%}
        {%- endfor -%}
    {%- else -%}
        {{ raise_exception("content of an unknown kind") }}
    {%- endif -%}
    {{ '<end_of_turn>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{ '<start_of_turn>model\n' }}
{%- endif -%}
"""

PHI = r"""{% for message in messages %}{% if message['role'] == 'system' and message['content'] %}{{'<|system|>
' + message['content'] + '<|end|>
'}}{% elif message['role'] == 'user' %}{{'<|user|>
' + message['content'] + '<|end|>
'}}{% elif message['role'] == 'assistant' %}{{'<|assistant|>
' + message['content'] + '<|end|>
'}}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>
' }}{% else %}{{ eos_token }}{% endif %}"""

PHI4 = r"""{% for m in messages %}{% if m.role in ['system', 'user', 'assistant'] %}{{ '<|im_start|>' ~ m.role ~ '<|im_sep|>' ~ m.content ~ '<|im_end|>' }}{% endif %}{% endfor %}{{ '<|im_start|>assistant<|im_sep|>' if add_generation_prompt }}"""

DEEPSEEK = r"""{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}{% set ns = namespace(is_first=false, is_tool=false, is_output_first=true, system_prompt='', is_first_sp=true) %}{%- for message in messages %}{%- if message['role'] == 'system' %}{%- if ns.is_first_sp %}{% set ns.system_prompt = ns.system_prompt + message['content'] %}{% set ns.is_first_sp = false %}{%- else %}{% set ns.system_prompt = ns.system_prompt + '\n\n' + message['content'] %}{%- endif %}{%- endif %}{%- endfor %}{{ bos_token }}{{ ns.system_prompt }}{%- for message in messages %}{%- if message['role'] == 'user' %}{%- set ns.is_tool = false -%}{{ '<|User|>' + message['content'] }}{%- endif %}{%- if message['role'] == 'assistant' and message['tool_calls'] is defined and message['tool_calls'] %}{%- set ns.is_tool = false -%}{%- for call in message['tool_calls'] %}{%- if not ns.is_first %}{{ '<|Assistant|><|calls_begin|><|call_begin|>' + call['type'] + '<|sep|>' + call['function']['name'] + '\n```json\n' + call['function']['arguments']|tojson + '\n```<|call_end|>' }}{%- set ns.is_first = true -%}{%- else %}{{ '\n<|call_begin|>' + call['type'] }}{%- endif %}{%- endfor %}{{ '<|calls_end|><|end|>' }}{%- endif %}{%- if message['role'] == 'assistant' and not message['tool_calls'] %}{%- if ns.is_tool %}{{ '<|outputs_end|>' + message['content'] + '<|end|>' }}{%- set ns.is_tool = false -%}{%- else %}{% set content = message['content'] %}{% if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}{{ '<|Assistant|>' + content + '<|end|>' }}{%- endif %}{%- endif %}{%- if message['role'] == 'tool' %}{%- set ns.is_tool = true -%}{%- if ns.is_output_first %}{{ '<|outputs_begin|><|output_begin|>' + message['content'] + '<|output_end|>' }}{%- set ns.is_output_first = false %}{%- else %}{{ '\n<|output_begin|>' + message['content'] + '<|output_end|>' }}{%- endif %}{%- endif %}{%- endfor -%}{% if ns.is_tool %}{{ '<|outputs_end|>' }}{% endif %}{% if add_generation_prompt and not ns.is_tool %}{{ '<|Assistant|><think>\n' }}{% endif %}"""

COMMAND = r"""{%- macro kind_of(p) -%}
    {%- set types = {'string': 'str', 'integer': 'int', 'number': 'float', 'boolean': 'bool', 'object': 'Dict'} -%}
    {%- if p.type == 'array' -%}
        {{- 'List[' ~ kind_of(p['items'] if 'items' in p else {}) ~ ']' -}}
    {%- elif p.type in types -%}
        {{- types[p.type] -}}
    {%- else -%}
        {{- 'Any' -}}
    {%- endif -%}
{%- endmacro -%}
{%- macro describe(tools) -%}
{%- for tool in tools %}
def {{ tool.function.name }}({% for name, p in tool.function.parameters.properties.items() %}{{ ', ' if not loop.first }}{{ name }}: {{ kind_of(p) if name in (tool.function.parameters.required or []) else 'Optional[' ~ kind_of(p) ~ '] = None' }}{% endfor %}) -> List[Dict]:
    '''{{ tool.function.description | replace('"', "'") | indent(4) }}'''
    pass
{% endfor %}
{%- endmacro -%}
{{ bos_token }}
{%- set preamble = (messages | selectattr('role', 'equalto', 'system') | map(attribute='content') | list | last) | default('You answer questions.', true) %}
{{- '<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>' ~ preamble }}
{%- if tools %}{{ '\n\n## Tools\n```python' ~ describe(tools) ~ '```' }}{% endif %}
{%- if documents %}
    {%- for doc in documents %}
        {{- '\nDocument: ' ~ loop.index0 }}
        {%- for key, value in doc.items() %}{{ '\n' ~ key|title ~ ': ' ~ value }}{% endfor %}
    {%- endfor %}
{%- endif %}
{{- '<|END_OF_TURN_TOKEN|>' }}
{%- for m in messages if m.role != 'system' %}
    {%- if m.role == 'user' %}
        {{- '<|START_OF_TURN_TOKEN|><|USER_TOKEN|>' ~ (m.content if m.content is string else m.content|tojson) ~ '<|END_OF_TURN_TOKEN|>' }}
    {%- elif m.role == 'assistant' %}
        {{- '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>' ~ m.content|trim }}
        {%- if m.tool_calls is defined %}
            {{- 'Action:```json\n' ~ (m.tool_calls | map(attribute='function') | list | tojson(indent=2)) ~ '```' }}
        {%- endif %}
        {{- '<|END_OF_TURN_TOKEN|>' }}
    {%- else %}
        {{- '<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|><results>\n' ~ m.content ~ '</results><|END_OF_TURN_TOKEN|>' }}
    {%- endif %}
{%- endfor %}
{{- '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>' if add_generation_prompt }}"""

HARMONY = r"""{#- Types of a schema, written as in TypeScript. #}
{%- macro render_type(spec, required, level=0) -%}
    {%- if spec.type == "array" -%}
        {{- (render_type(spec["items"], required, level + 1) if spec["items"] else "any") + "[]" }}
    {%- elif spec.type is defined and spec.type is iterable and spec.type is not string -%}
        {{- spec.type | join(" | ") }}
    {%- elif spec.enum -%}
        {{- spec.enum | map("tojson") | join(" | ") }}
    {%- elif spec.type == "object" and spec.properties -%}
        {{- "{\n" }}
        {%- for name, p in spec.properties.items() -%}
            {%- if p.description %}{{ "// " + p.description + "\n" }}{%- endif -%}
            {{- name + ("?" if name not in (spec.required or []) else "") + ": " + render_type(p, spec.required or [], level + 1) + ("," if not loop.last) + "\n" }}
        {%- endfor -%}
        {{- "}" }}
    {%- else -%}
        {{- {"string": "string", "integer": "number", "number": "number"}.get(spec.type, "any") }}
    {%- endif -%}
{%- endmacro -%}
{%- set effort = reasoning_effort | default("medium") %}
{{- "<|start|>system<|message|>Reasoning: " + effort + "\nCurrent date: " + strftime_now("%Y-%m-%d") + "<|end|>" }}
{%- set developer = namespace(text="") %}
{%- for m in messages if m.role in ("system", "developer") %}
    {%- set developer.text = developer.text ~ m.content ~ "\n" %}
{%- endfor %}
{%- if developer.text or tools %}
    {{- "<|start|>developer<|message|>" ~ developer.text.rstrip() }}
    {%- if tools %}
        {{- "\n\n# Tools\nnamespace functions {\n" }}
        {%- for tool in tools %}
            {%- set tool = tool.function %}
            {{- "// " ~ tool.description ~ "\ntype " ~ tool.name ~ " = (" }}
            {%- if tool.parameters and tool.parameters.properties %}
                {{- "_: " ~ render_type(tool.parameters, []) }}
            {%- endif %}
            {{- ") => any;\n" }}
        {%- endfor %}
        {{- "}" }}
    {%- endif %}
    {{- "<|end|>" }}
{%- endif %}
{%- set last_call = namespace(name=none) %}
{%- for m in messages %}
    {%- if m.role == "assistant" and "tool_calls" in m %}
        {%- set call = m.tool_calls[0].function %}
        {%- set last_call.name = call.name %}
        {{- "<|start|>assistant to=functions." ~ call.name ~ "<|message|>" ~ call.arguments|tojson ~ "<|call|>" }}
    {%- elif m.role == "tool" %}
        {%- if last_call.name is none %}{{- raise_exception("a tool result without a call") }}{%- endif %}
        {{- "<|start|>functions." ~ last_call.name ~ "<|message|>" ~ m.content|tojson ~ "<|end|>" }}
    {%- elif m.role == "assistant" %}
        {%- if loop.last and not add_generation_prompt %}
            {{- "<|start|>assistant<|channel|>final<|message|>" ~ m.content ~ "<|return|>" }}
        {%- else %}
            {{- "<|start|>assistant<|channel|>final<|message|>" ~ m.content ~ "<|end|>" }}
        {%- endif %}
    {%- elif m.role == "user" %}
        {{- "<|start|>user<|message|>" ~ m.content ~ "<|end|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- "<|start|>assistant" }}{%- endif %}"""

ZEPHYR = """{% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>\n' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>\n' + message['content'] + eos_token }}
{% elif message['role'] == 'assistant' %}
{{ '<|assistant|>\n'  + message['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}"""

VICUNA = r"""{% set sep = [' ', eos_token] %}{% set sys = messages|selectattr('role', 'eq', 'system')|map(attribute='content')|join('\n') %}{{ (sys or 'A chat.') ~ sep[0] }}{% for m in messages|rejectattr('role', 'eq', 'system') %}{{ (m.role|upper) ~ ': ' ~ m.content ~ sep[loop.index0 % 2] }}{% endfor %}{{ 'ASSISTANT:' if add_generation_prompt else '' }}"""

ALPACA = """{%- for m in messages %}
{%- if m.role == 'system' %}
{{- m.content | trim }}

{% elif m.role == 'user' %}
### Instruction:
{{ m.content | trim }}

{% else %}
### Response:
{{ m.content | trim }}{{ eos_token }}

{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}
### Response:
{% endif %}"""

GRANITE = r"""{%- set avail = [] %}
{%- if tools %}{%- set avail = ['tools'] %}{%- endif %}
{%- if documents %}{%- set avail = avail + ['documents'] %}{%- endif %}
{%- set head = messages[0] if messages and messages[0]['role'] == 'system' else none %}
{%- set loop_messages = messages[1:] if head is not none else messages %}
{%- if head is none %}
    {%- set sys = "Knowledge ends in April 2024.\nToday is " ~ strftime_now('%B %d, %Y') ~ ".\nYou help." %}
    {%- if avail | length > 0 %}{%- set sys = sys ~ " You have " ~ avail | join(' and ') ~ "." %}{%- endif %}
{%- else %}
    {%- set sys = head['content'] %}
{%- endif %}
{{- '<|start_of_role|>system<|end_of_role|>' + sys + '<|end_of_text|>\n' }}
{%- if tools %}
    {{- '<|start_of_role|>tools<|end_of_role|>' }}
    {{- tools | tojson(indent=4) }}
    {{- '<|end_of_text|>\n' }}
{%- endif %}
{%- if documents %}
    {%- for document in documents %}
        {{- 'Document ' + loop.index | string + '\n' }}
        {{- document['text'] | default('(empty)') }}
        {%- if not loop.last %}
            {{- '\n\n'}}
        {%- endif %}
    {%- endfor %}
{%- endif %}
{%- for message in loop_messages %}
    {{- '<|start_of_role|>' + message['role'] + '<|end_of_role|>' + message['content'] + '<|end_of_text|>\n' }}
    {%- if loop.last and add_generation_prompt %}
        {{- '<|start_of_role|>assistant' }}
        {{- '<|end_of_role|>' }}
    {%- endif %}
{%- endfor %}"""

FALCON = r"""{% for message in messages %}{% if not loop.first %}{{ '\n' }}{% endif %}{% if message['role'] == 'system' %}{{ 'System: ' }}{% elif message['role'] == 'user' %}{{ 'User: ' }}{% elif message['role'] == 'assistant' %}{{ 'Falcon: ' }}{% else %}{% continue %}{% endif %}{{ message['content'] }}{% if loop.index > 8 %}{% break %}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '\nFalcon:' }}{% endif %}"""

XML_TOOLS = r"""{%- macro render_extra(obj, skip=[]) -%}
    {%- for key, value in obj | dictsort if key not in skip %}
{{ '\n<' ~ key ~ '>' }}{{ value | tojson if value is mapping or (value is sequence and value is not string) else value | string }}{{ '</' ~ key ~ '>' }}
    {%- endfor %}
{%- endmacro -%}
{%- for tool in tools or [] %}
<function>
<name>{{ tool.function.name }}</name>
    {%- for pname, p in tool.function.parameters.properties | items %}
<parameter name="{{ pname | e }}">{{ render_extra(p, ['type']) }}
</parameter>
    {%- endfor %}
{{ render_extra(tool.function.parameters, ['type', 'properties']) | trim }}
</function>
{%- endfor %}
{%- set ns = namespace(n=0) %}
{%- for m in messages %}
    {%- set ns.n = ns.n + (m.content | length) %}
{{ loop.index ~ '/' ~ loop.length }}. [{{ m.role | capitalize }}] {{ (m.content if m.content is string else m.content | map(attribute='type') | join('+')) | replace('\n', '\\n') }}
    {%- if loop.previtem is defined and loop.previtem.role == m.role %} (again){% endif %}
{%- endfor %}
{{ ns.n }}"""

FAMILIES = [
    ("llama-2", LLAMA2), ("llama-3", LLAMA3), ("chatml", CHATML), ("chatml default", CHATML_DEFAULT),
    ("qwen", QWEN), ("mistral", MISTRAL), ("mistral tools", MISTRAL_TOOLS), ("gemma", GEMMA),
    ("phi-3", PHI), ("phi-4", PHI4), ("deepseek", DEEPSEEK), ("command-r", COMMAND),
    ("harmony", HARMONY), ("zephyr", ZEPHYR), ("vicuna", VICUNA), ("alpaca", ALPACA),
    ("granite", GRANITE), ("falcon", FALCON), ("xml tools", XML_TOOLS),
]
