// An OpenID provider with the package's own pages: whoever types a name is that. node oidc-provider.mjs PORT REDIRECT_URI
import { pathToFileURL } from 'node:url';
const { default: Provider } = await import(pathToFileURL(process.env.OIDC_MODULE));
const [port, redirect] = process.argv.slice(2);
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{ client_id: 'gateway', client_secret: 'a secret of the client', redirect_uris: [redirect],
    response_types: ['code'], grant_types: ['authorization_code'] }],
  pkce: { required: () => true },
});
provider.listen(Number(port), '127.0.0.1');
