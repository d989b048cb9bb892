/** nginx with Nchan: keeps the last events in memory, in one worker process. */
import { access } from 'node:fs/promises'
import { familyCpuSeconds } from '../process-usage.js'
import { eventsOf } from '../server.js'
import { configurationIn, type Peer } from './peer.js'

/** Where Debian's package libnginx-mod-nchan puts it. */
const MODULE = '/usr/lib/nginx/modules/ngx_nchan_module.so'

export const nchan: Peer = {
  name: 'Nchan (memory only)',
  program: 'nginx',
  async configure({ folder, port }) {
    try {
      await access(MODULE)
    } catch {
      return undefined
    }
    return {
      args: ['-e', 'stderr', '-p', folder, '-c', configurationIn(folder)],
      configuration: `
load_module ${MODULE};
daemon off;
worker_processes 1;
pid ${folder}/pid;
events { worker_connections 32768; }
http {
  access_log off;
  error_log stderr warn;
  keepalive_requests 1000000;
  nchan_shared_memory_size 128M;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location = /publish {
      nchan_publisher;
      nchan_channel_id feed;
      nchan_message_buffer_length 1000;
      nchan_message_timeout 10m;
    }
    location = /events {
      nchan_subscriber eventsource;
      nchan_channel_id feed;
      nchan_subscriber_first_message newest;
    }
  }
}
`,
      path: '/events',
      publishPath: '/publish',
      headers: { 'content-type': 'text/plain', 'x-eventsource-event': 'tick' },
      bodyOf: (first, count, padding) =>
        eventsOf(first, count, padding)
          .map(({ data }) => JSON.stringify(data))
          .join('\n'),
      greeting: 'HTTP/1.1 200',
      cpu: familyCpuSeconds,
    }
  },
}
