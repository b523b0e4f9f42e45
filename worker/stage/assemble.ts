// Puts the trained parameters into the serving graph: the version's one file.
// In: a graph whose parameters are inputs, a checkpoint. Out: model.onnx, which holds no time, job or host.
// Why a task: the coordinator holds no tensor; the file is a function of the two, whoever writes it.
// Flow: job → snapshot → plan → prepare → fit → [train] → evaluate → prove → publish → gate → predictions
import { readFile, writeFile } from 'node:fs/promises';
import { decodeCheckpoint, parametersOf } from '../../common/algorithm/gradients.ts';
import { openSession } from '../../common/engine/onnx.ts';
import { withParameters } from '../../common/onnx/parameters.ts';
import { decodeModel, encodeModel } from '../../common/onnx/proto.ts';
import type { AssembleProgram, AssembleResult } from '../../common/stage/train.ts';
import { type Runner, scratchFile, sealBlob } from './runner.ts';

export const runAssemble: Runner<AssembleProgram> = async (prepared) => {
  const { program } = prepared;
  const checkpoint = await readFile(prepared.files[program.checkpoint.key]!);
  const state = decodeCheckpoint(checkpoint, program.parameters, program.optimizer);
  const { graph } = decodeModel(Buffer.from(program.servingGraph, 'base64'));
  const whole = withParameters(graph, parametersOf(state), program.parameters);
  const bytes = encodeModel(whole, { 'gristmill.signature': JSON.stringify(program.signature) });
  await using session = await openSession(bytes); // a file that does not load is never a version
  void session;

  const path = scratchFile(prepared, 'model.onnx');
  await writeFile(path, bytes);
  const { blob, ref } = await sealBlob(prepared, path, 'onnx');
  return { result: { model: ref } satisfies AssembleResult, blobs: [blob], rows: 0 };
};
