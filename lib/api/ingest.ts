import type { Api } from "./api.ts";
import { addBatchIngest } from "./ingest-batch.ts";
import { addCameraIngest } from "./ingest-camera.ts";
import { addWorkerIngest } from "./ingest-worker.ts";

/** The routes for runners that can't speak NATS. Nothing is answered 2xx that was not stored. */
export function addIngestRoutes(api: Api): void {
  addCameraIngest(api);
  addWorkerIngest(api);
  addBatchIngest(api);
}
