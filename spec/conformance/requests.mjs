// Requests with all that the protocols have in common, in the words of each client.
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
const PDF = Buffer.from('%PDF-1.4\n%%EOF\n').toString('base64')
const schema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false }
const text = 'how is the weather in Oslo?'

export const REQUESTS = {
  chat: {
    conversation: {
      model: 'm', temperature: 0.2, top_p: 0.9, seed: 7, n: 2, stop: ['END'], max_completion_tokens: 50, logprobs: true, top_logprobs: 2, user: 'u',
      messages: [
        { role: 'developer', content: 'Be brief.' },
        { role: 'user', content: [{ type: 'text', text }, { type: 'image_url', image_url: { url: `data:image/png;base64,${PIXEL}`, detail: 'low' } }] },
        { role: 'assistant', content: null, tool_calls: [{ id: 'c1', type: 'function', function: { name: 'weather', arguments: '{"city":"Oslo"}' } }] },
        { role: 'tool', tool_call_id: 'c1', content: 'rain' },
      ],
      tools: [{ type: 'function', function: { name: 'weather', description: 'the weather', parameters: schema, strict: true } }],
      tool_choice: 'auto', parallel_tool_calls: true, stream: true, stream_options: { include_usage: true },
    },
    structured: { model: 'm', messages: [{ role: 'user', content: text }], reasoning_effort: 'low', response_format: { type: 'json_schema', json_schema: { name: 'answer', schema, strict: true } } },
  },
  messages: {
    conversation: {
      model: 'm', max_tokens: 50, temperature: 0.2, top_p: 0.9, top_k: 5, stop_sequences: ['END', 'a', 'b', 'c', 'd'], metadata: { user_id: 'u' }, stream: true,
      system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } }],
      messages: [
        { role: 'user', content: [{ type: 'text', text }, { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PIXEL } }, { type: 'image', source: { type: 'url', url: 'https://x.test/a.png' } }] },
        { role: 'assistant', content: [{ type: 'thinking', thinking: 'hm', signature: 'sig' }, { type: 'text', text: 'I look.' }, { type: 'tool_use', id: 't1', name: 'weather', input: { city: 'Oslo' } }, { type: 'tool_use', id: 't2', name: 'now', input: {} }] },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't1', content: [{ type: 'text', text: 'rain' }] }, { type: 'tool_result', tool_use_id: 't2', is_error: true }, { type: 'text', text: 'and now?' }] },
      ],
      tools: [{ name: 'weather', description: 'the weather', input_schema: schema }, { name: 'now', input_schema: { type: 'object' } }],
      tool_choice: { type: 'any', disable_parallel_tool_use: true },
    },
    document: {
      model: 'm', max_tokens: 50,
      messages: [{ role: 'user', content: [{ type: 'document', title: 'a.pdf', source: { type: 'base64', media_type: 'application/pdf', data: PDF } }, { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'words' } }, { type: 'text', text }] }],
    },
    thinking: { model: 'm', max_tokens: 4000, thinking: { type: 'enabled', budget_tokens: 2000 }, messages: [{ role: 'user', content: text }] },
    structured: { model: 'm', max_tokens: 50, messages: [{ role: 'user', content: text }], output_config: { format: { type: 'json_schema', schema } } },
    forced: { model: 'm', max_tokens: 50, messages: [{ role: 'user', content: text }], tools: [{ name: 'weather', input_schema: schema }], tool_choice: { type: 'tool', name: 'weather' } },
  },
  responses: {
    conversation: {
      model: 'm', instructions: 'Be brief.', temperature: 0.2, top_p: 0.9, max_output_tokens: 50, stream: true,
      input: [
        { role: 'user', content: [{ type: 'input_text', text }, { type: 'input_image', image_url: `data:image/png;base64,${PIXEL}`, detail: 'auto' }] },
        { type: 'function_call', call_id: 'c1', name: 'weather', arguments: '{"city":"Oslo"}' },
        { type: 'function_call_output', call_id: 'c1', output: 'rain' },
      ],
      tools: [{ type: 'function', name: 'weather', description: 'the weather', parameters: schema, strict: true }],
      tool_choice: 'auto', parallel_tool_calls: false,
    },
    document: { model: 'm', input: [{ role: 'user', content: [{ type: 'input_file', filename: 'a.pdf', file_data: `data:application/pdf;base64,${PDF}` }, { type: 'input_text', text }] }] },
    reasoning: { model: 'm', input: text, reasoning: { effort: 'low', summary: 'auto' } },
    structured: { model: 'm', input: text, text: { format: { type: 'json_schema', name: 'answer', schema, strict: true }, verbosity: 'low' } },
    forced: { model: 'm', input: text, tools: [{ type: 'function', name: 'weather', parameters: schema, strict: false }], tool_choice: { type: 'function', name: 'weather' } },
  },
  embeddings: {
    texts: { model: 'm', input: ['one', 'two'], dimensions: 64, encoding_format: 'float', user: 'u' },
    tokens: { model: 'm', input: [[1, 2, 3]], encoding_format: 'base64' },
  },
}
