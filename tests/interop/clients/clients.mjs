// node clients.mjs URL: the npm clients of OpenAI and ollama against a server of the model "tiny".
// TAP on standard output.
import assert from 'node:assert/strict'
import OpenAI from 'openai'
import { Ollama } from 'ollama'

const url = process.argv[2]
const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 })
const ollama = new Ollama({ host: url })
const messages = [{ role: 'user', content: 'Once upon a time' }]
const cases = []
const test = (name, run) => cases.push({ name, run })

test('openai: models', async () => {
  const names = []
  for await (const m of openai.models.list()) names.push(m.id)
  assert.deepEqual(names, ['tiny'])
  assert.equal((await openai.models.retrieve('tiny')).object, 'model')
})

test('openai: chat, whole and streamed, agree', async () => {
  const ask = { model: 'tiny', messages, max_tokens: 12, temperature: 0, seed: 1 }
  const whole = await openai.chat.completions.create(ask)
  assert.ok(whole.usage.completion_tokens > 0)
  const stream = await openai.chat.completions.create({
    ...ask, stream: true, stream_options: { include_usage: true } })
  let text = ''
  let usage
  for await (const part of stream) {
    text += part.choices[0]?.delta?.content ?? ''
    usage = part.usage ?? usage
  }
  assert.equal(text, whole.choices[0].message.content)
  assert.deepEqual(usage.total_tokens, whole.usage.total_tokens)
})

test('openai: the stream helper', async () => {
  const runner = openai.chat.completions.stream({ model: 'tiny', messages, max_tokens: 6 })
  const final = await runner.finalChatCompletion()
  assert.equal(final.choices[0].message.role, 'assistant')
})

test('openai: logprobs, stop, JSON', async () => {
  const r = await openai.chat.completions.create({
    model: 'tiny', messages, max_tokens: 4, logprobs: true, top_logprobs: 3 })
  assert.equal(r.choices[0].logprobs.content.length, r.usage.completion_tokens)
  assert.equal(r.choices[0].logprobs.content[0].top_logprobs.length, 3)
  const plain = await openai.completions.create({
    model: 'tiny', prompt: 'Once upon a time', max_tokens: 30, temperature: 0 })
  const stop = plain.choices[0].text.slice(8, 12)
  const cut = await openai.completions.create({
    model: 'tiny', prompt: 'Once upon a time', max_tokens: 30, temperature: 0, stop })
  assert.equal(cut.choices[0].text, plain.choices[0].text.split(stop)[0])
  assert.equal(cut.choices[0].finish_reason, 'stop')
  const json = await openai.chat.completions.create({
    model: 'tiny', messages, max_tokens: 400, seed: 3, response_format: { type: 'json_object' } })
  if (json.choices[0].finish_reason === 'stop') JSON.parse(json.choices[0].message.content)
  assert.equal(json.choices[0].message.content[0], '{')
})

test('openai: completions streamed', async () => {
  const stream = await openai.completions.create({
    model: 'tiny', prompt: 'Once', max_tokens: 5, stream: true })
  let n = 0
  for await (const part of stream) n += part.choices.length
  assert.ok(n >= 2)
})

test('openai and ollama: embeddings agree', async () => {
  const input = ['a fox', 'a dog']
  const r = await openai.embeddings.create({ model: 'tiny', input })
  const [a, b] = r.data.map((d) => d.embedding)
  const dot = (x, y) => x.reduce((sum, v, i) => sum + v * y[i], 0)
  assert.ok(Math.abs(dot(a, a) - 1) < 1e-5)
  assert.ok(dot(a, b) < 0.9999)
  const o = await ollama.embed({ model: 'tiny', input })
  assert.ok(Math.abs(dot(a, o.embeddings[0]) - 1) < 1e-5)
})

test('openai: errors have their classes', async () => {
  const create = (o) => openai.chat.completions.create({ model: 'tiny', messages, ...o })
  await assert.rejects(create({ model: 'none' }), OpenAI.NotFoundError)
  await assert.rejects(create({ temperature: 9 }), OpenAI.BadRequestError)
  await assert.rejects(create({ messages: [] }), (e) => e.param === 'messages')
})

test('openai: a stream that is aborted', async () => {
  const stream = await openai.chat.completions.create({
    model: 'tiny', messages, max_tokens: 400, stream: true })
  for await (const part of stream) {
    if (part.choices.length) break
  }
  assert.ok((await openai.models.list()).data.length)
})

test('ollama: list, ps, show, version', async () => {
  assert.equal((await ollama.list()).models[0].name, 'tiny')
  assert.equal((await ollama.ps()).models[0].name, 'tiny')
  assert.equal((await ollama.show({ model: 'tiny' })).details.family, 'llama')
  assert.match((await ollama.version()).version, /^\d/)
})

test('ollama: generate and chat, whole and streamed', async () => {
  const options = { num_predict: 8, temperature: 0 }
  const whole = await ollama.generate({ model: 'tiny', prompt: 'Once upon a time', options })
  assert.ok(whole.done && whole.eval_count === 8)
  let text = ''
  for await (const p of await ollama.generate({
    model: 'tiny', prompt: 'Once upon a time', options, stream: true })) text += p.response
  assert.equal(text, whole.response)
  const chat = await ollama.chat({ model: 'tiny:latest', messages, options })
  let last
  for await (const p of await ollama.chat({ model: 'tiny', messages, options, stream: true })) last = p
  assert.equal(chat.message.role, 'assistant')
  assert.match(last.done_reason, /^(length|stop)$/)
})

test('ollama: errors', async () => {
  await assert.rejects(ollama.generate({ model: 'none', prompt: 'a' }), /not served here/)
})

console.log(`1..${cases.length}`)
let failed = 0
for (const [i, { name, run }] of cases.entries()) {
  try {
    await run()
    console.log(`ok ${i + 1} - ${name}`)
  } catch (e) {
    failed++
    console.log(String(e.stack).replace(/^/gm, '# '))
    console.log(`not ok ${i + 1} - ${name}`)
  }
}
process.exit(failed ? 1 : 0)
