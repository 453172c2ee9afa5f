// Opens a server in pgAdmin as a person does: a double click, the password, and then whatever pgAdmin shows.
//
//   node pgadmin.js URL SERVER PASSWORD SCREENSHOT      prints what is shown: the dialog's text, or "connected"
const { chromium } = require(process.env.NODE_PLAYWRIGHT);

const [url, server, password, screenshot] = process.argv.slice(2);
const PATIENCE = 120_000;

async function main() {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    // What else it would do on the network is nobody's business here.
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    page.setDefaultTimeout(PATIENCE);
    await page.goto(url);
    const tree = (name) => page.getByText(name, { exact: true }).first();
    const dialog = page.locator(".MuiDialog-root").filter({ hasText: "Connect to Server" });
    await page.getByText(/^Servers/).first().waitFor();
    // The tree takes a moment to open, and a click that comes too early is lost.
    while (!(await dialog.isVisible())) {
      const entry = (await tree(server).isVisible()) ? tree(server) : page.getByText(/^Servers/).first();
      await entry.dblclick();
      await dialog.waitFor({ timeout: 3_000 }).catch(() => {});
    }
    await dialog.locator("input[type=password]").fill(password);
    await dialog.locator("button").filter({ hasText: "OK" }).click();
    const told = dialog.getByText(/failed|expired|FATAL/).first();
    const databases = page.getByText(/^Databases/).first();
    await told.or(databases).first().waitFor();
    await page.screenshot({ path: screenshot });
    console.log((await databases.isVisible()) ? "connected" : await told.innerText());
  } catch (failure) {
    await browser.contexts()[0].pages()[0].screenshot({ path: screenshot });
    throw failure;
  } finally {
    await browser.close();
  }
}

main();
