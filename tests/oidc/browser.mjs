// A person at a browser: opens the address that `weir login` printed, goes to the provider, logs in there, consents, and comes
// back to the CLI. Prints the address of the last page without its query, and its text.
//   node browser.mjs ADDRESS ACCOUNT [abort]
import { open } from './chromium.mjs';

const [address, account, abort] = process.argv.slice(2);
const { browser, page } = await open();
try {
  await page.goto(address);
  const follow = (act) => Promise.all([page.waitForNavigation(), act()]);
  await follow(() => page.click('a.provider'));
  while (page.url().includes('/interaction/')) {
    if (abort) {
      await follow(() => page.click('a[href$="/abort"]'));
      continue;
    }
    if (await page.$('input[name=login]')) {
      await page.type('input[name=login]', account);
      await page.type('input[name=password]', 'any');
    }
    await follow(() => page.click('button[type=submit]'));
  }
  console.log(page.url().split('?')[0]);
  console.log(await page.$eval('body', (body) => body.innerText));
} finally {
  await browser.close();
}
