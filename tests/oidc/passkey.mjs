// Somebody at a browser with a virtual authenticator. Logs in with a password, does the steps, and prints what came of each as
// a JSON array. The authenticator's passkeys are read from a file and written back to it.
//   WEIR_TEST_PASSWORD=... node passkey.mjs RELAY USER PASSKEYS STEPS
// A step is an object, in which `do` is one of
//   open     the page at `path`: its text
//   add      adds a passkey called `name`: the page's text, after
//   remove   removes the first passkey: the same
//   press    fills `fields` into the page at `path` and presses `button`: the same
//   capture  as press, but what would be sent is not: the form's fields
//   post     sends `fields` to `path`, with this visitor's csrf: status and text
// A hostile one: `any` (of press, capture) asks the authenticator for whatever passkey it has; `unverified` does not prove who is there.
import { open } from './chromium.mjs';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

const [relay, user, file, steps] = process.argv.slice(2);
const { browser, page } = await open(['--ignore-certificate-errors']);
try {
  const devtools = await page.createCDPSession();
  await devtools.send('WebAuthn.enable');
  const { authenticatorId } = await devtools.send('WebAuthn.addVirtualAuthenticator', {
    options: { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
  });
  const kept = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : [];
  for (const credential of kept) await devtools.send('WebAuthn.addCredential', { authenticatorId, credential });

  const text = () => page.$eval('main', (main) => main.innerText);
  await page.goto(`${relay}/login?to=/passkeys`);
  await page.type('input[name=user]', user);
  await page.type('input[name=password]', process.env.WEIR_TEST_PASSWORD);
  await Promise.all([page.waitForNavigation(), page.click('button[type=submit]')]);

  const fill = async (fields) => {
    for (const [name, value] of Object.entries(fields ?? {})) {
      const radio = await page.$(`main input[type=radio][name=${name}][value="${value}"]`);
      if (radio) await radio.click();
      else await page.$eval(`main [name=${name}]`, (input, value) => { input.value = value; }, value);
    }
  };
  // Either the form is sent, or the page says why not.
  const pressed = async (button) => {
    await Promise.all([
      Promise.race([page.waitForNavigation(), page.waitForSelector('form [role=alert]')]),
      page.click(`main ${button}`),
    ]);
    return { text: await text() };
  };
  const prepare = async ({ path, fields, any, unverified }) => {
    await page.goto(relay + path);
    await devtools.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: !unverified });
    await page.evaluate((any, unverified) => {
      const get = navigator.credentials.get.bind(navigator.credentials);
      navigator.credentials.get = ({ publicKey }) => {
        if (any) delete publicKey.allowCredentials;
        if (unverified) publicKey.userVerification = 'discouraged';
        return get({ publicKey });
      };
    }, any, unverified);
    await fill(fields);
  };
  const act = {
    async open({ path }) {
      await page.goto(relay + path);
      return { text: await text() };
    },
    async add({ name }) {
      await prepare({ path: '/passkeys', fields: { name } });
      return pressed('form[data-new] button');
    },
    async remove() {
      await prepare({ path: '/passkeys' });
      return pressed('form[action="/passkeys/remove"] button');
    },
    async press(step) {
      await prepare(step);
      return pressed(`button[value=${step.button}]`);
    },
    async capture(step) {
      await prepare(step);
      await page.evaluate(() => {
        HTMLFormElement.prototype.submit = function () { window.captured = Object.fromEntries(new FormData(this)); };
      });
      await page.click(`main button[value=${step.button}]`);
      const found = await page.waitForFunction(() => window.captured ?? document.querySelector('form [role=alert]')?.innerText);
      return { fields: await found.jsonValue() };
    },
    async post({ path, fields }) {
      const csrf = await page.$eval('input[name=csrf]', (input) => input.value);
      return page.evaluate(async (path, fields) => {
        const answer = await fetch(path, { method: 'POST', body: new URLSearchParams(fields) });
        return { status: answer.status, text: await answer.text() };
      }, path, { ...fields, csrf });
    },
  };
  const results = [];
  for (const step of JSON.parse(steps)) {
    // What was captured last is sent on by `post` with `captured`, as it is but for `fields`.
    const fields = step.captured ? { ...results.findLast((result) => result.fields)?.fields, ...step.fields } : step.fields;
    results.push(await act[step.do]({ ...step, fields }));
  }
  const { credentials } = await devtools.send('WebAuthn.getCredentials', { authenticatorId });
  writeFileSync(file, JSON.stringify(credentials));
  console.log(JSON.stringify(results));
} finally {
  await browser.close();
}
