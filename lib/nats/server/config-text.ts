export interface ServerConfig {
  /** Answers in the server's greeting, so that ours is told from any other. */
  readonly serverName: string;
  /** 0: any free one. */
  readonly port: number;
  readonly storeDir: string;
  readonly logFile: string;
  /** Folder where the server writes which ports it has. */
  readonly portsDir: string;
  /** Most that streams may take on the disk, bytes. */
  readonly maxStoreBytes: number;
}

const MAX_LOG_BYTES = 10_485_760;
const LOG_FILES = 3;

/**
 * The embedded server's configuration: loopback only, no login, every acknowledged message synced
 * to the disk (streams that may lose their tail say so themselves).
 * Source: https://docs.nats.io/running-a-nats-service/configuration
 */
export function serverConfigText(config: ServerConfig): string {
  const { serverName, port, storeDir, logFile, portsDir, maxStoreBytes } = config;
  return [
    `server_name: ${quoted(serverName)}`,
    `listen: "127.0.0.1:${port === 0 ? -1 : port}"`,
    `ports_file_dir: ${quoted(portsDir)}`,
    `log_file: ${quoted(logFile)}`,
    // The server turns its log over by itself at this size and keeps so many.
    `logfile_size_limit: ${MAX_LOG_BYTES}`,
    `logfile_max_num: ${LOG_FILES}`,
    `logtime_utc: true`,
    `jetstream {`,
    `  store_dir: ${quoted(storeDir)}`,
    `  sync_interval: always`,
    // The server's own default is a part of what is free, which shrinks with every restart.
    `  max_file_store: ${maxStoreBytes}`,
    `}`,
    "",
  ].join("\n");
}

function quoted(text: string): string {
  return JSON.stringify(text);
}
