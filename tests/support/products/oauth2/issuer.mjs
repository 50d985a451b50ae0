// An issuer for tests. The library takes any client and any secret; this one minds them, and says what it was asked.
import { OAuth2Server } from 'oauth2-mock-server';

const { ROLLCALL_PORT: port, ROLLCALL_CLIENT: client, ROLLCALL_SECRET: secret } = process.env;
const lifetime = Number(process.env.ROLLCALL_LIFETIME);
const wanted = process.env.ROLLCALL_AUDIENCE;

const audience = (body) => body.audience ?? body.resource ?? body.aud;

function credentials(request) {
  const [scheme, encoded] = (request.headers.authorization ?? '').split(' ');
  if (scheme.toLowerCase() === 'basic') {
    const [id, ...rest] = Buffer.from(encoded ?? '', 'base64').toString().split(':');
    return { how: 'basic', good: decodeURIComponent(id) === client && decodeURIComponent(rest.join(':')) === secret };
  }
  return { how: 'body', good: request.body.client_id === client && request.body.client_secret === secret };
}

const server = new OAuth2Server();
await server.issuer.keys.generate('RS256');
server.service.on('beforeTokenSigning', (token, request) => {
  token.payload.exp = token.payload.iat + lifetime;
  token.payload.sub = client;
  token.payload.aud = audience(request.body);
});
server.service.on('beforeResponse', (answer, request) => {
  const { how, good } = credentials(request);
  if (!good) {
    answer.statusCode = 401;
    answer.body = { error: 'invalid_client' };
  } else if (wanted && audience(request.body) !== wanted) {
    answer.statusCode = 400;
    answer.body = { error: 'invalid_target' };
  } else {
    answer.body.expires_in = lifetime;
  }
  console.log(JSON.stringify({
    grant_type: request.body.grant_type,
    credentials: how,
    scope: request.body.scope,
    audience: audience(request.body),
    status: answer.statusCode,
    token: answer.body.access_token,
  }));
});
await server.start(Number(port), '127.0.0.1');
