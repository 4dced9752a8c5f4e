// A reviewer at a browser: opens a request's page, logs in with a password, reads it, and decides. Prints the page's text as it
// was before the decision, a line of dashes, and after it.
//   WEIR_TEST_PASSWORD=... node reviewer.mjs ADDRESS USER DECISION [FIELD=VALUE...]
// DECISION is the value of a button, or `look` for none. WEIR_TEST_NO_SCRIPT turns the page's script off.
import { open } from './chromium.mjs';

const [address, user, decision, ...fields] = process.argv.slice(2);
const { browser, page } = await open();
try {
  const problems = [];
  page.on('console', (message) => { if (message.type() === 'error') problems.push(message.text()); });
  page.on('pageerror', (error) => problems.push(String(error)));
  if (process.env.WEIR_TEST_NO_SCRIPT) await page.setJavaScriptEnabled(false);
  const follow = (act) => Promise.all([page.waitForNavigation(), act()]);
  await page.goto(address);
  await page.type('input[name=user]', user);
  await page.type('input[name=password]', process.env.WEIR_TEST_PASSWORD);
  await follow(() => page.click('button[type=submit]'));
  const text = () => page.$eval('main', (main) => main.innerText);
  console.log(await text());
  console.log('----');
  if (decision !== 'look') {
    for (const field of fields) {
      const [name, value] = [field.slice(0, field.indexOf('=')), field.slice(field.indexOf('=') + 1)];
      const radio = await page.$(`input[type=radio][name=${name}][value="${value}"]`);
      if (radio) await radio.click();
      else await page.$eval(`main [name=${name}]`, (input, value) => { input.value = value; }, value);
    }
    await follow(() => page.click(`button[value=${decision}]`));
    console.log(await text());
  }
  // A refused decision answers with its status, which the browser reports: that is no problem of the page.
  const own = problems.filter((problem) => !problem.includes('Failed to load resource'));
  if (own.length) console.log(`PROBLEMS: ${own.join('; ')}`);
} finally {
  await browser.close();
}
