// Node.js: an event loop beside libuv's thread pool and worker threads, which
// are loops of their own.  Prints one line a scene, the same in each run.
const assert = require('assert');
const childProcess = require('child_process');
const crypto = require('crypto');
const dns = require('dns');
const fs = require('fs');
const http = require('http');
const os = require('os');
const path = require('path');
const zlib = require('zlib');
const { Worker, isMainThread, parentPort, workerData } =
  require('worker_threads');

const fibonacci = (n) => (n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2));
const times = (count, make) => Promise.all(
  Array.from({ length: count }, (_, n) => make(n)));
const sum = (numbers) => numbers.reduce((all, n) => all + n, 0);

// In a worker: compute, wait for the others in the memory that all share, and
// look a name up on the pool.
async function work() {
  const shared = new Int32Array(workerData.memory);
  const turn = Atomics.add(shared, 0, 1) + 1;

  Atomics.notify(shared, 0);
  for (let seen = turn; seen < workerData.count; seen = Atomics.load(shared, 0))
    Atomics.wait(shared, 0, seen);
  const found = await dns.promises.lookup('localhost', { family: 4 });
  await new Promise((resolve) => setTimeout(resolve, 20));
  parentPort.postMessage([fibonacci(20), found.address]);
}

async function workers() {
  const count = 8;
  const memory = new SharedArrayBuffer(4);
  const said = await times(count, () => new Promise((resolve, reject) => {
    const worker = new Worker(__filename, { workerData: { memory, count } });
    let answer;

    worker.on('message', (message) => { answer = message; });
    worker.on('error', reject);
    worker.on('exit', () => resolve(answer));
  }));
  console.log('workers', sum(said.map((one) => one[0])),
              new Set(said.map((one) => one[1])));
}

async function endedWorkers() {
  const codes = await times(4, (n) => new Promise((resolve) => {
    const worker = new Worker(n % 2 ? 'for (;;);' : 'throw Error("thrown")',
                              { eval: true });
    let thrown = '';

    worker.on('error', (error) => { thrown = error.message; });
    worker.on('exit', (code) => resolve(`${code}${thrown}`));
    if (n % 2)
      worker.on('online', () => setTimeout(() => worker.terminate(), 20));
  }));
  console.log('ended', codes);
}

// Four threads by default for all of these.
async function pool() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'vireo-node-'));
  const names = await times(50, async () => {
    const found = await dns.promises.lookup('localhost', { family: 4 });
    return found.address;
  });
  const files = await times(50, async (n) => {
    const file = path.join(folder, `${n}`);

    await fs.promises.writeFile(file, 'x'.repeat(n * 1000));
    return (await fs.promises.readFile(file)).length;
  });
  const keys = await times(20, (n) => new Promise((resolve) => {
    crypto.pbkdf2('secret', `${n}`, 1000, 16, 'sha256',
                  (error, key) => resolve(error ? -1 : key.length));
  }));
  const packed = await times(20, (n) => new Promise((resolve) => {
    zlib.gzip('y'.repeat(n * 10000), (error, data) => zlib.gunzip(
      data, (again, text) => resolve(text.length)));
  }));
  fs.rmSync(folder, { recursive: true });
  console.log('pool', new Set(names), sum(files), sum(keys), sum(packed));
}

function get(port, agent, url) {
  return new Promise((resolve, reject) => {
    http.get({ port, agent, host: 'localhost', path: url, family: 4 },
             (response) => {
               let body = '';
               response.setEncoding('utf8');
               response.on('data', (text) => { body += text; });
               response.on('end', () => resolve(body));
             }).on('error', (error) => reject(error));
  });
}

async function web() {
  const server = http.createServer((request, response) => {
    setTimeout(() => response.end(`this is ${request.url}`), 10);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  const agent = new http.Agent({ keepAlive: true, maxSockets: 20 });
  const right = await times(200, async (n) =>
    await get(port, agent, `/${n}`) === `this is /${n}`);
  agent.destroy();
  server.close();
  const refused = await get(1, undefined, '/').catch((error) => error.code);
  console.log('web', right.filter((one) => one).length, refused);
}

async function children() {
  const statuses = await times(10, (n) => new Promise((resolve) => {
    const child = childProcess.spawn('sh', ['-c', `sleep 0.0${n}; exit ${n}`]);
    child.on('exit', (code) => resolve(code));
  }));
  const out = childProcess.execFileSync('echo', ['hello']).toString();
  console.log('children', statuses, out.trim());
}

async function signals() {
  const busy = setInterval(() => {}, 1000); // a handler alone does not keep on

  await new Promise((resolve) => {
    let count = 0;
    process.on('SIGUSR2', () => {
      count++;
      if (count === 3)
        resolve();
      else
        process.kill(process.pid, 'SIGUSR2');
    });
    process.kill(process.pid, 'SIGUSR2');
  });
  clearInterval(busy);
  console.log('signals');
}

async function main() {
  await workers();
  await endedWorkers();
  await pool();
  await web();
  await children();
  await signals();
  assert(isMainThread);
  process.exit(7);
}

if (isMainThread)
  main();
else
  work();
