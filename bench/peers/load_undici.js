// The contract of hearth_load with undici, node's HTTP client: one Pool, a promise chain per slot.
'use strict';
const fs = require('fs');
const { performance } = require('perf_hooks');
const { Pool } = require('undici');

const given = {
  url: '', ca: '', proto: 'h1', concurrency: 1, requests: 1, warmup: 0, upload: '', sink: 'null',
  resume: 1, idle: 0, threads: 1, 'new-connections': false,
};
for (let at = 2; at < process.argv.length; ++at) {
  const name = process.argv[at].replace(/^--/, '');
  if (!(name in given)) process.exit(64);
  if (name === 'new-connections') {
    given[name] = true;
  } else {
    const value = process.argv[++at];
    given[name] = typeof given[name] === 'number' ? Number(value) : value;
  }
}
function unsupported(what) {
  console.log(JSON.stringify({ error: 'unsupported', detail: what }));
  process.exit(64);
}
if (given.proto !== 'h1') unsupported('--proto h2');
if (given.threads !== 1) unsupported('--threads');
if (given.idle) unsupported('--idle');

const url = new URL(given.url);
const size = given.upload ? fs.statSync(given.upload).size : 0;
let opened = 0;
const pool = new Pool(url.origin, {
  connections: given.concurrency,
  pipelining: given['new-connections'] ? 0 : 1,
  keepAliveTimeout: 60000,
  connect: {
    ca: given.ca ? fs.readFileSync(given.ca) : undefined,
    maxCachedSessions: given.resume ? 100 : 0,
  },
});
pool.on('connect', () => { ++opened; });

function cost() {
  const usage = process.resourceUsage();
  return { when: performance.now() / 1e3, user: usage.userCPUTime / 1e6,
    system: usage.systemCPUTime / 1e6 };
}

let ok = 0;
let bytes = 0;
async function one() {
  const options = { path: url.pathname, method: given.upload ? 'PUT' : 'GET',
    reset: given['new-connections'] };
  if (given.upload) {
    options.body = fs.createReadStream(given.upload, { highWaterMark: 256 * 1024 });
    options.headers = { 'content-length': String(size) };
  }
  const answer = await pool.request(options);
  const sink = given.sink.startsWith('file:') ? fs.openSync(given.sink.slice(5), 'w') : -1;
  for await (const piece of answer.body) {
    bytes += piece.length;
    if (sink >= 0) fs.writeSync(sink, piece);
  }
  if (sink >= 0) fs.closeSync(sink);
  bytes += size;
  if (Math.floor(answer.statusCode / 100) === 2) ++ok;
}

const all = given.warmup + given.requests;
const latencies = new Float64Array(all);
let next = 0;
async function slot(until) {
  while (next < until) {
    const index = next++;
    const started = performance.now();
    await one();
    latencies[index] = (performance.now() - started) * 1e3;
  }
}
async function run(until) {
  await Promise.all(Array.from({ length: given.concurrency }, () => slot(until)));
}

(async () => {
  await run(given.warmup);
  ok = bytes = 0;
  const begin = cost();
  await run(all);
  const end = cost();
  const first = latencies[0];
  const measured = latencies.slice(given.warmup).sort();
  console.log(JSON.stringify({
    requests: given.requests, ok, errors: given.requests - ok, wall_s: end.when - begin.when,
    cpu_user_s: end.user - begin.user, cpu_sys_s: end.system - begin.system,
    rps: given.requests / (end.when - begin.when),
    p50_us: Math.round(measured[Math.floor(measured.length / 2)]),
    p99_us: Math.round(measured[Math.floor(measured.length * 0.99)]),
    bytes, max_rss_kib: process.resourceUsage().maxRSS, connections: opened,
    first_us: Math.round(first), rss0_kib: 0, rss_idle_kib: 0, resumed: 0,
  }));
  process.exit(ok === given.requests ? 0 : 1);
})().catch((error) => { console.error(error); process.exit(1); });
