// A server on Node's http for the interop tests: `node main.js PORT`.
//
//   /events?to=N       server-sent events up to N behind `last-event-id`, with ids and comments
//   /multipart         parses multipart/form-data: a line "name|filename|type|octets|sha256" per part
//   /form              parses application/x-www-form-urlencoded: its fields as JSON
//   /coded/CODING      1 MB of text in gzip, deflate or br, if the request accepts it
//   /moved/STATUS      a redirect to /echo
//   /echo              "METHOD octets"
'use strict';
const crypto = require('crypto');
const http = require('http');
const querystring = require('querystring');
const zlib = require('zlib');

const text = 'All work and no play makes a dull page. '.repeat(25000);
const coders = {gzip: zlib.gzipSync, deflate: zlib.deflateSync, br: zlib.brotliCompressSync};

function partsOf(body, boundary) {
  const parts = [];
  const mark = Buffer.from('--' + boundary);
  let at = body.indexOf(mark);
  if (at !== 0) throw new Error('the body does not begin with its boundary');
  for (;;) {
    at += mark.length;
    if (body.subarray(at, at + 2).toString() === '--') return parts;
    const headEnd = body.indexOf('\r\n\r\n', at);
    const next = body.indexOf(Buffer.concat([Buffer.from('\r\n'), mark]), headEnd + 2);
    if (headEnd < 0 || next < 0) throw new Error('the last boundary is missing');
    const fields = {};
    for (const line of body.subarray(at + 2, headEnd).toString().split('\r\n')) {
      const colon = line.indexOf(':');
      fields[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
    }
    parts.push({fields, data: body.subarray(headEnd + 4, next)});
    at = next + 2;
  }
}

function multipart(body, type) {
  const boundary = /boundary="?([^";]+)/.exec(type)[1];
  return partsOf(body, boundary).map(({fields, data}) => {
    const disposition = fields['content-disposition'];
    const name = /[; ]name="([^"]*)"/.exec(disposition)[1];
    const file = /filename="([^"]*)"/.exec(disposition);
    const hash = crypto.createHash('sha256').update(data).digest('hex');
    return [name, file ? file[1] : '', fields['content-type'] || '', data.length, hash].join('|');
  }).join('\n');
}

function events(request, response, last) {
  let id = Number(request.headers['last-event-id'] || 0);
  response.writeHead(200, {'content-type': 'text/event-stream', 'cache-control': 'no-cache'});
  response.write('retry: 250\n\n');
  const send = () => {
    if (id >= last) return response.end();
    ++id;
    // An event in two writes, so that its lines arrive apart.
    response.write(`: comment\nid: ${id}\nevent: tick\ndata: event`);
    setImmediate(() => {
      response.write(` ${id}\ndata: second line\n\n`);
      setImmediate(send);
    });
  };
  send();
}

function answer(request, response, body) {
  const url = new URL(request.url, 'http://localhost');
  const type = request.headers['content-type'] || '';
  const [, first, second] = url.pathname.split('/');
  if (first === 'events') return events(request, response, Number(url.searchParams.get('to')));
  if (first === 'multipart') return response.end(multipart(body, type));
  if (first === 'form') return response.end(JSON.stringify(querystring.parse(body.toString())));
  if (first === 'moved') return response.writeHead(Number(second), {location: '/echo'}).end();
  if (first === 'echo') return response.end(`${request.method} ${body.length}`);
  if (first === 'coded') {
    const accepted = (request.headers['accept-encoding'] || '').split(/\s*,\s*/);
    if (!accepted.includes(second)) return response.end(text);
    return response.writeHead(200, {'content-encoding': second}).end(coders[second](text));
  }
  response.writeHead(404).end();
}

http.createServer((request, response) => {
  const pieces = [];
  request.on('data', (piece) => pieces.push(piece));
  request.on('end', () => {
    try {
      answer(request, response, Buffer.concat(pieces));
    } catch (problem) {
      response.writeHead(400).end(String(problem));
    }
  });
}).listen(Number(process.argv[2]), '127.0.0.1');
