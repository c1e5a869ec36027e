// A foreign SMSC on the node package `smpp`:   node smsc-node.js PORT [none|text|tlv|both|payload|data_sm] [KEY CERTIFICATE]
// The last digit of the destination picks what happens: 9 ESME_RINVDSTADR, 8 ESME_RTHROTTLED twice and then taken, 7 receipt UNDELIV,
// 6 receipt EXPIRED, 5 the receipt comes before submit_sm_resp, 4 no receipt, 3 two receipts, else DELIVRD.
// Environment: IDS=hexdec (hexadecimal in the response, decimal in a receipt's text), SMPP_USER, SMPP_PASS. One JSON line per event on stdout.
const fs = require('fs');
const smpp = require('smpp');

const port = Number(process.argv[2]);
const receipts = process.argv[3] || 'both';
const hexdec = process.env.IDS === 'hexdec';
const user = process.env.SMPP_USER || 'gateway';
const password = process.env.SMPP_PASS || 'secret';
const tls = process.argv[4] ? { key: fs.readFileSync(process.argv[4]), cert: fs.readFileSync(process.argv[5]) } : null;
const STATES = { DELIVRD: 2, EXPIRED: 3, UNDELIV: 5 };
const tries = new Map();
let taken = 0;

const log = (event) => process.stdout.write(JSON.stringify(event) + '\n');
const stamp = () => new Date().toISOString().replace(/\D/g, '').slice(2, 12);

function ids() {
  const number = 0xa0000 + ++taken;
  if (hexdec) return { response: number.toString(16).toUpperCase(), text: String(number) };
  const padded = String(number).padStart(10, '0');
  return { response: padded, text: padded };
}

function receiptFor(submit, id, stat) {
  const good = stat === 'DELIVRD';
  const words = `id:${id.text} sub:001 dlvrd:${good ? '001' : '000'} submit date:${stamp()} done date:${stamp()} stat:${stat} err:${good ? '000' : '001'} text:`;
  const pdu = { source_addr: submit.destination_addr, destination_addr: submit.source_addr, esm_class: 4 };
  if (receipts === 'text' || receipts === 'both') pdu.short_message = words;
  if (receipts === 'payload' || receipts === 'data_sm') pdu.message_payload = { message: words };
  if (receipts === 'tlv' || receipts === 'both') {
    pdu.receipted_message_id = id.response;
    pdu.message_state = STATES[stat];
  }
  return pdu;
}

function onSubmit(session, submit) {
  const to = submit.destination_addr;
  const digit = to.slice(-1);
  const refuse = (status) => session.send(submit.response({ command_status: smpp.errors[status] }));
  if (digit === '9') return refuse('ESME_RINVDSTADR');
  if (digit === '8') {
    tries.set(to, (tries.get(to) || 0) + 1);
    if (tries.get(to) < 3) return refuse('ESME_RTHROTTLED');
  }
  const payload = submit.message_payload;
  const message = payload || submit.short_message || {};
  const id = ids();
  log({
    submit: id.response, to, from: submit.source_addr, coding: submit.data_coding, esm: submit.esm_class,
    validity: submit.validity_period, priority: submit.priority_flag,
    udh: message.udh ? Buffer.concat([].concat(message.udh)).toString('hex') : undefined, text: String(message.message),
  });
  const stat = digit === '7' ? 'UNDELIV' : digit === '6' ? 'EXPIRED' : 'DELIVRD';
  const answer = () => session.send(submit.response({ message_id: id.response }));
  const receipt = () => {
    const pdu = receiptFor(submit, id, stat);
    const command = receipts === 'data_sm' ? 'data_sm' : 'deliver_sm';
    session[command](pdu, (ack) => log({ receipt: id.response, stat, ack: ack.command_status, by: ack.command }));
  };
  const wanted = receipts !== 'none' && submit.registered_delivery & 1 && digit !== '4';
  if (wanted && digit === '5') {
    receipt();
    return setTimeout(answer, 100);
  }
  answer();
  if (wanted) setTimeout(receipt, 5);
  if (wanted && digit === '3') setTimeout(receipt, 10);
}

// what is on its way may be given another text, or taken back: an id that was given once, by the sender who has it
function onReplace(session, pdu) {
  const known = /^0000655[0-9]+$/.test(pdu.message_id);
  const words = pdu.short_message && pdu.short_message.message !== undefined ? pdu.short_message.message : pdu.short_message;
  log({
    replace: pdu.message_id, from: pdu.source_addr, ton: pdu.source_addr_ton, npi: pdu.source_addr_npi,
    schedule: pdu.schedule_delivery_time, validity: pdu.validity_period, receipt: pdu.registered_delivery, text: String(words),
  });
  session.send(pdu.response({ command_status: known ? 0 : smpp.errors.ESME_RREPLACEFAIL }));
}

function onSession(session) {
  let bound = false;
  session.on('error', (error) => log({ error: String(error) }));
  session.on('close', () => log({ closed: true }));
  for (const command of ['bind_transceiver', 'bind_transmitter', 'bind_receiver']) {
    session.on(command, (bind) => {
      bound = bind.system_id === user && bind.password === password;
      log({ bind: command, ok: bound });
      session.send(bind.response({ system_id: 'node', command_status: bound ? 0 : smpp.errors.ESME_RBINDFAIL }));
      if (!bound) session.close();
    });
  }
  session.on('enquire_link', (pdu) => session.send(pdu.response()));
  session.on('unbind', (pdu) => {
    log({ unbind: true });
    session.send(pdu.response());
    session.close();
  });
  session.on('replace_sm', (pdu) => onReplace(session, pdu));
  session.on('submit_sm', (pdu) => (bound ? onSubmit(session, pdu) : session.send(pdu.response({ command_status: smpp.errors.ESME_RINVBNDSTS }))));
}

const server = tls ? smpp.createServer(tls, onSession) : smpp.createServer(onSession);
server.listen(port, '127.0.0.1');
process.on('SIGTERM', () => process.exit(0));
