// A server on node's http2 for the interop tests: node node_server.js PORT KEY CERTIFICATE
//
// /hello; /large: a million octets; /upload: the number of octets sent; /trailers: a trailer behind
// the body; /early: an informational answer before the final one. CONNECT, extended or not: what
// comes goes back.
'use strict';
const fs = require('fs');
const http2 = require('http2');

const [port, key, certificate] = process.argv.slice(2);
const large = Buffer.alloc(1000000, 'x');

const server = http2.createSecureServer({
  key: fs.readFileSync(key), cert: fs.readFileSync(certificate), allowHTTP1: true,
  // By default node ends streams when ten MB of answers wait to be sent.
  maxSessionMemory: 1000,
  settings: {enableConnectProtocol: true},
});

server.on('connect', (request, response) => {
  if (!response.stream) return request.destroy();
  response.stream.on('error', () => {});
  response.stream.respond({':status': 200, 'x-protocol': request.headers[':protocol'] || 'none'});
  response.stream.pipe(response.stream);
});

server.on('request', (request, response) => {
  response.on('error', () => {});
  switch (request.url) {
    case '/large':
      // With its length: node may end a stream by RST_STREAM(NO_ERROR) in place of END_STREAM, which
      // is told from half an answer by nothing else.
      response.setHeader('content-length', large.length);
      return response.end(large);
    case '/upload': {
      let size = 0;
      request.on('data', (piece) => { size += piece.length; });
      return request.on('end', () => response.end(String(size)));
    }
    case '/trailers':
      response.write('body');
      response.addTrailers({'x-end': 'yes'});
      return response.end();
    case '/early':
      response.writeEarlyHints({link: '</style.css>; rel=preload'});
      return response.end('final');
    default:
      return response.end('hello');
  }
});
server.listen(Number(port), '127.0.0.1');
