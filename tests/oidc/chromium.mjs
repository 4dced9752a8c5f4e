// The browser of the journeys: Debian's Chromium, without a window.
import puppeteer from 'puppeteer-core';

// A browser and its page; `more` is for its command line.
export async function open(more = []) {
  const browser = await puppeteer.launch({
    executablePath: process.env.WEIR_TEST_CHROMIUM ?? '/usr/bin/chromium',
    // The certificates are of this test's own authorities. As root there is no sandbox.
    acceptInsecureCerts: true,
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--no-proxy-server', ...more],
  });
  const page = await browser.newPage();
  page.setDefaultTimeout(30_000);
  return { browser, page };
}
