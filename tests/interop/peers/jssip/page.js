// A web page with a JsSIP user agent. Its settings come behind the # of its address; it fetches its
// commands from where it came from (/next, a line each) and posts there what happens (/said).
const JsSIP = require('jssip');

const settings = JSON.parse(decodeURIComponent(location.hash.slice(1)));
const said = (ev, more = {}) => fetch('/said', { method: 'POST', body: JSON.stringify({ ev, ...more }) });

const agent = new JsSIP.UA({
  sockets: [new JsSIP.WebSocketInterface(settings.socket)],
  uri: settings.uri,
  password: settings.password,
  register_expires: 120,
  session_timers: false,
});
agent.on('connected', () => said('connected'));
agent.on('disconnected', e => said('disconnected', { code: e.code }));
agent.on('registered', e => said('registered', {
  code: e.response.status_code, pub: agent.contact.pub_gruu, temp: agent.contact.temp_gruu,
}));
agent.on('unregistered', () => said('unregistered'));
agent.on('registrationFailed', e => said('failed', { cause: e.cause }));
agent.on('newMessage', e => {
  if (e.originator === 'remote') said('message', { from: e.request.from.uri.toString(), body: e.request.body });
});

const commands = {
  send: (uri, text) => agent.sendMessage(uri, text, {
    eventHandlers: {
      succeeded: e => said('status', { code: e.response.status_code, body: text }),
      failed: e => said('status', { code: e.response ? e.response.status_code : 0, cause: e.cause, body: text }),
    },
  }),
  follow: uri => {
    const subscription = agent.subscribe(uri, 'presence', 'application/pidf+xml', { expires: 120 });
    subscription.on('notify', (final, request, body) => said('notify', { open: /<basic>open</.test(body) }));
    subscription.on('terminated', code => said('terminated', { code }));
    subscription.subscribe();
  },
  stop: () => agent.stop(),
};

async function obey() {
  for (;;) {
    const [name, ...words] = await (await fetch('/next')).json();
    if (name) commands[name](...words);
  }
}

agent.start();
obey();
