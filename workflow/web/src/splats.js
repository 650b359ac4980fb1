// The head on the GPU: Spark draws it and calls this for every Gaussian; components are blended here, in the shader.

import * as THREE from "three";
import { SparkRenderer, SplatMesh, dyno } from "@sparkjsdev/spark";
import { FOLLOW } from "./skin.js";

const { Dyno, Gsplat, defineGsplat, dynoFloat, dynoInt, dynoSampler2D, dynoSampler2DArray, dynoUsampler2DArray } = dyno;

const BLUR = 0.3; // px², added to the covariance of every projected Gaussian
const WIDTH = 2048; // texels per row
const BASE_TEXELS = 4; // mean + opacity, quaternion, log scale, sh0
const SH_TEXELS = 3; // 45 steps of 8 bits
const SKIN_TEXELS = 4; // f1 and f2, their changes in the rest face
const QUADS = 128; // Gaussians per instance

/** Colors of a heat map from no motion to the most, sRGB in [0, 1]: Matplotlib's magma without its darkest third. */
export const HEAT = ["0.390, 0.100, 0.502", "0.633, 0.188, 0.495", "0.869, 0.288, 0.409", "0.987, 0.536, 0.382",
  "0.996, 0.813, 0.573", "0.987, 0.991, 0.750"];

const GLSL = `
int head_low16(uint word) { return int(word << 16u) >> 16; }
int head_high16(uint word) { return int(word) >> 16; }
float head_byte(uint word, uint at) { return float(int(word << (24u - 8u * at)) >> 24); }

ivec3 head_texel(int index, int layer) { return ivec3(index & ${WIDTH - 1}, index / ${WIDTH}, layer); }

// real spherical harmonics of degrees 1 to 3, Condon-Shortley phase, the order of 3D Gaussian splatting
void head_harmonics(vec3 d, out float Y[15]) {
  float xx = d.x * d.x, yy = d.y * d.y, zz = d.z * d.z;
  Y[0] = -0.4886025119029199 * d.y;
  Y[1] = 0.4886025119029199 * d.z;
  Y[2] = -0.4886025119029199 * d.x;
  Y[3] = 1.0925484305920792 * d.x * d.y;
  Y[4] = -1.0925484305920792 * d.y * d.z;
  Y[5] = 0.31539156525252005 * (2.0 * zz - xx - yy);
  Y[6] = -1.0925484305920792 * d.x * d.z;
  Y[7] = 0.5462742152960396 * (xx - yy);
  Y[8] = -0.5900435899266435 * d.y * (3.0 * xx - yy);
  Y[9] = 2.890611442640554 * d.x * d.y * d.z;
  Y[10] = -0.4570457994644658 * d.y * (4.0 * zz - xx - yy);
  Y[11] = 0.3731763325901154 * d.z * (2.0 * zz - 3.0 * xx - 3.0 * yy);
  Y[12] = -0.4570457994644658 * d.x * (4.0 * zz - xx - yy);
  Y[13] = 1.445305721320277 * d.z * (xx - yy);
  Y[14] = -0.5900435899266435 * d.x * (xx - 3.0 * yy);
}

${FOLLOW}
vec3 head_heat(float share) {
  const vec3 stops[${HEAT.length}] = vec3[](${HEAT.map((stop) => `vec3(${stop})`)});
  float at = clamp(share, 0.0, 1.0) * ${HEAT.length - 1}.0;
  int below = min(int(at), ${HEAT.length - 2});
  return mix(stops[below], stops[below + 1], at - float(below));
}

Gsplat head_gaussian(
  int index, vec3 eye, sampler2DArray base, usampler2DArray harmonics, usampler2DArray components, sampler2D weights,
  float harmonicStep, int used, int heat, float heatScale, sampler2DArray skin, usampler2DArray extras, int worn
) {
  vec4 place = texelFetch(base, head_texel(index, 0), 0);
  vec4 quat = texelFetch(base, head_texel(index, 1), 0);
  vec3 logScale = texelFetch(base, head_texel(index, 2), 0).xyz;
  vec3 color = texelFetch(base, head_texel(index, 3), 0).xyz;
  vec3 center = place.xyz;
  float logit = 0.0; // change of the opacity
  vec3 f1 = vec3(0.0), f2 = vec3(0.0); // change of the tangents of the skin
  for (int a = 0; a < used; ++a) {
    vec4 w = texelFetch(weights, ivec2(0, a), 0); // weight times step of xyz, f_dc, rotation, scale
    vec4 more = texelFetch(weights, ivec2(1, a), 0); // component, weight times step of skin, opacity
    int component = int(more.x);
    uvec4 t = texelFetch(components, head_texel(index, component), 0);
    center += w.x * vec3(head_low16(t.x), head_high16(t.x), head_low16(t.y));
    color += w.y * vec3(head_byte(t.y, 2u), head_byte(t.y, 3u), head_byte(t.z, 0u));
    quat += w.z * vec4(head_byte(t.z, 1u), head_byte(t.z, 2u), head_byte(t.z, 3u), head_byte(t.w, 0u));
    logScale += w.w * vec3(head_byte(t.w, 1u), head_byte(t.w, 2u), head_byte(t.w, 3u));
#ifdef HEAD_EXTRAS
    {
      uvec4 e = texelFetch(extras, head_texel(index, component), 0);
      f1 += more.y * vec3(head_low16(e.x), head_high16(e.x), head_low16(e.y));
      f2 += more.y * vec3(head_high16(e.y), head_low16(e.z), head_high16(e.z));
      logit += more.z * head_byte(e.w, 0u);
    }
#endif
  }
  float opacity = place.w;
#ifdef HEAD_EXTRAS
  if (index < worn) {
    vec3 r1 = texelFetch(skin, head_texel(index, 0), 0).xyz, r2 = texelFetch(skin, head_texel(index, 1), 0).xyz;
    f1 += texelFetch(skin, head_texel(index, 2), 0).xyz;
    f2 += texelFetch(skin, head_texel(index, 3), 0).xyz;
    head_follow(r1, r2, f1, f2, quat, logScale);
  }
  if (logit != 0.0) {
    float kept = clamp(opacity, 1e-6, 1.0 - 1e-6);
    opacity = 1.0 / (1.0 + (1.0 - kept) / kept * exp(-logit));
  }
#endif
  vec3 rgb = 0.5 + 0.28209479177387814 * color;
  float Y[15];
  head_harmonics(normalize(center - eye), Y);
  for (int texel = 0; texel < ${SH_TEXELS}; ++texel) {
    uvec4 t = texelFetch(harmonics, head_texel(index, texel), 0);
    for (int row = 0; row < 5; ++row) {
      int first = 3 * row;
      int band = 5 * texel + row;
      vec3 steps = vec3(
        head_byte(t[first >> 2], uint(first & 3)),
        head_byte(t[(first + 1) >> 2], uint((first + 1) & 3)),
        head_byte(t[(first + 2) >> 2], uint((first + 2) & 3))
      );
      rgb += harmonicStep * Y[band] * steps;
    }
  }
  if (heat >= 0) {
    uvec4 t = texelFetch(components, head_texel(index, heat), 0);
    float share = heatScale * length(vec3(head_low16(t.x), head_high16(t.x), head_low16(t.y)));
    rgb = mix(vec3(0.6 * dot(rgb, vec3(0.299, 0.587, 0.114)) + 0.1), head_heat(share), smoothstep(0.0, 0.2, share));
  }
  Gsplat gsplat;
  gsplat.flags = GSPLAT_FLAG_ACTIVE;
  gsplat.index = index;
  gsplat.center = center;
  gsplat.scales = exp(logScale);
  gsplat.quaternion = normalize(quat).yzwx; // xyzw there
  gsplat.rgba = vec4(max(rgb, 0.0), opacity);
  return gsplat;
}`;

// Spark's, without features that this head does not need: opacities above 1, linear colors, logarithmic depth
const FRAGMENTS = `
precision highp float;
uniform float minAlpha;
flat in vec4 vRgba;
in vec2 vSplatUv;
out vec4 fragColor;

void main() {
  float alpha = vRgba.a * exp(-0.5 * dot(vSplatUv, vSplatUv));
  if (alpha < minAlpha) discard;
  fragColor = vec4(vRgba.rgb * alpha, alpha);
}`;

const REPLACED = [
  ["out vec4 vRgba;", "flat out vec4 vRgba;"],
  ["out vec3 vNdc;", "vec3 vNdc;"],
  ["flat out uint vSplatIndex;", "uint vSplatIndex;"],
  ["flat out float adjustedStdDev;", "float adjustedStdDev;"],
  ["gl_InstanceID", "gaussian"],
  ["void main() {", `uniform int drawn;\n\nvoid main() {\n  int gaussian = gl_InstanceID * ${QUADS} + gl_VertexID / 4;`],
  ["if (splatIndex == 0xffffffffu)", "if (gaussian >= drawn || splatIndex == 0xffffffffu)"],
  [
    "adjustedStdDev = maxStdDev;",
    "adjustedStdDev = min(maxStdDev, sqrt(2.0 * log(max(rgba.a / minAlpha, 1.0))));",
  ],
]; // in Spark's vertex shader, see `batchQuads`

class BlendedGaussian extends Dyno {
  constructor(hasExtras) {
    super({
      inTypes: {
        index: "int",
        eye: "vec3",
        base: "sampler2DArray",
        harmonics: "usampler2DArray",
        components: "usampler2DArray",
        weights: "sampler2D",
        harmonicStep: "float",
        used: "int",
        heat: "int",
        heatScale: "float",
        skin: "sampler2DArray",
        extras: "usampler2DArray",
        worn: "int",
      },
      outTypes: { gsplat: Gsplat },
      globals: () => [defineGsplat, hasExtras ? `#define HEAD_EXTRAS\n${GLSL}` : GLSL],
      statements: ({ inputs, outputs }) => [
        `${outputs.gsplat} = head_gaussian(${inputs.index}, ${inputs.eye}, ${inputs.base}, ${inputs.harmonics}, ` +
          `${inputs.components}, ${inputs.weights}, ${inputs.harmonicStep}, ${inputs.used}, ` +
          `${inputs.heat}, ${inputs.heatScale}, ${inputs.skin}, ${inputs.extras}, ${inputs.worn});`,
      ],
    });
  }
}

/** Source of Gaussians for Spark: the interface `SplatSource` of its documentation. */
class HeadSource {
  constructor(rig) {
    this.rig = rig;
    const rows = Math.ceil(rig.count / WIDTH);
    this.weightData = new Float32Array(8 * Math.max(rig.components, 1));
    this.weightTexture = floatTexture(new THREE.DataTexture(this.weightData, 2, Math.max(rig.components, 1)));
    this.used = dynoInt(0);
    this.heat = dynoInt(-1);
    this.heatScale = dynoFloat(0);
    this.inputs = {
      base: dynoSampler2DArray(baseTexture(rig, rows)),
      harmonics: dynoUsampler2DArray(harmonicsTexture(rig, rows)),
      components: dynoUsampler2DArray(componentsTexture(rig, rows)),
      weights: dynoSampler2D(this.weightTexture),
      harmonicStep: dynoFloat(rig.shNStep),
      used: this.used,
      heat: this.heat,
      heatScale: this.heatScale,
      skin: dynoSampler2DArray(skinTexture(rig)),
      extras: dynoUsampler2DArray(extrasTexture(rig, rows)),
      worn: dynoInt(rig.skin?.vertices ?? 0),
    };
    this.blend = new BlendedGaussian(hasExtras(rig));
  }

  /** Use the rig's weights; components at 0 cost nothing. */
  setWeights() {
    let used = 0;
    this.rig.weights.forEach((weight, k) => {
      if (weight === 0) return;
      const [xyz, color, turn, size, opacity] = this.rig.steps[k].map((step) => step * weight);
      const skin = weight * (this.rig.skin?.steps[k] ?? 0);
      this.weightData.set([xyz, color, turn, size, k, skin, opacity], 8 * used);
      used += 1;
    });
    this.used.value = used;
    this.weightTexture.needsUpdate = true;
  }

  /** Color Gaussians by their displacement by a component, as a fraction of `most` mm per unit of weight; -1: no heat map. */
  setHeat(component, most) {
    this.heat.value = component;
    this.heatScale.value = component < 0 ? 0 : this.rig.steps[component][0] / Math.max(most, 1e-9);
  }

  prepareFetchSplat() {}
  dispose() {}
  getNumSplats() {
    return this.rig.count;
  }
  hasRgbDir() {
    return true;
  }
  getNumSh() {
    return 3;
  }
  setMaxSh() {}
  fetchSplat({ index, viewOrigin }) {
    return this.blend.apply({ index, eye: viewOrigin, ...this.inputs }).gsplat;
  }
  forEachSplat() {}
}

const hasExtras = ({ skin, faint }) => skin !== null || faint !== null; // otherwise they are not compiled

function floatTexture(texture) {
  texture.format = THREE.RGBAFormat;
  texture.type = THREE.FloatType;
  texture.internalFormat = "RGBA32F";
  texture.needsUpdate = true;
  return texture;
}

function integerTexture(words, rows, layers, width = WIDTH) {
  const texture = new THREE.DataArrayTexture(words, width, rows, layers);
  texture.format = THREE.RGBAIntegerFormat;
  texture.type = THREE.UnsignedIntType;
  texture.internalFormat = "RGBA32UI";
  texture.needsUpdate = true;
  return texture;
}

function baseTexture(rig, rows) {
  const data = new Float32Array(4 * WIDTH * rows * BASE_TEXELS);
  for (let i = 0; i < rig.count; i++) {
    const at = (layer) => 4 * (layer * WIDTH * rows + i);
    data.set(rig.means.subarray(3 * i, 3 * i + 3), at(0));
    data[at(0) + 3] = rig.opacities[i];
    data.set(rig.quats.subarray(4 * i, 4 * i + 4), at(1));
    data.set(rig.logScales.subarray(3 * i, 3 * i + 3), at(2));
    data.set(rig.sh0.subarray(3 * i, 3 * i + 3), at(3));
  }
  return floatTexture(new THREE.DataArrayTexture(data, WIDTH, rows, BASE_TEXELS));
}

function harmonicsTexture(rig, rows) {
  const bytes = new Int8Array(16 * WIDTH * rows * SH_TEXELS);
  for (let i = 0; i < rig.count; i++) {
    for (let texel = 0; texel < SH_TEXELS; texel++) {
      const first = 45 * i + 15 * texel;
      bytes.set(rig.shN.subarray(first, first + 15), 16 * (texel * WIDTH * rows + i));
    }
  }
  return integerTexture(new Uint32Array(bytes.buffer), rows, SH_TEXELS);
}

function componentsTexture(rig, rows) {
  const layers = Math.max(rig.components, 1);
  const bytes = new Int8Array(16 * WIDTH * rows * layers);
  const pairs = new Int16Array(bytes.buffer);
  for (let k = 0; k < rig.components; k++) {
    for (let i = 0; i < rig.count; i++) {
      const from = k * rig.count + i;
      const to = 16 * (k * WIDTH * rows + i);
      for (let axis = 0; axis < 3; axis++) pairs[to / 2 + axis] = rig.xyz[3 * from + axis];
      for (let column = 0; column < 10; column++) bytes[to + 6 + column] = rig.fine[10 * from + column];
    }
  }
  return integerTexture(new Uint32Array(bytes.buffer), rows, layers);
}

/** Return the tangents of the skin; a dummy texel if no Gaussian follows it. */
function skinTexture({ skin }) {
  if (skin === null) return floatTexture(new THREE.DataArrayTexture(new Float32Array(4), 1, 1, 1));
  const rows = Math.ceil(skin.vertices / WIDTH);
  const data = new Float32Array(4 * WIDTH * rows * SKIN_TEXELS);
  for (let vertex = 0; vertex < skin.vertices; vertex++) {
    [skin.rest, skin.moved].forEach((tangents, pair) => {
      for (const side of [0, 1]) {
        const from = 6 * vertex + 3 * side;
        data.set(tangents.subarray(from, from + 3), 4 * ((2 * pair + side) * WIDTH * rows + vertex));
      }
    });
  }
  return floatTexture(new THREE.DataArrayTexture(data, WIDTH, rows, SKIN_TEXELS));
}

/** Return the changes of skin and opacities by the components; a dummy texel if there are none. */
function extrasTexture({ skin, faint, components, count }, rows) {
  if (!hasExtras({ skin, faint })) return integerTexture(new Uint32Array(4), 1, 1, 1);
  const bytes = new Int8Array(16 * WIDTH * rows * components);
  const pairs = new Int16Array(bytes.buffer);
  for (let k = 0; k < components; k++) {
    const first = k * WIDTH * rows;
    for (let i = 0; i < (skin?.vertices ?? 0); i++) {
      const from = 6 * (k * skin.vertices + i);
      pairs.set(skin.changes.subarray(from, from + 6), 8 * (first + i));
    }
    for (let i = 0; faint !== null && i < count; i++) bytes[16 * (first + i) + 12] = faint[k * count + i];
  }
  return integerTexture(new Uint32Array(bytes.buffer), rows, components);
}

/**
 * Make Spark draw `QUADS` Gaussians per instance instead of one, since starting an instance costs drivers more than
 * four corners do, and limit quads to where a Gaussian exceeds `minAlpha`. Images stay the same except for rounding.
 */
function batchQuads(spark) {
  const { position } = spark.geometry.attributes;
  const corners = Float32Array.from({ length: 12 * QUADS }, (_, i) => position.array[i % 12]);
  const indices = Uint16Array.from({ length: 6 * QUADS }, (_, i) => 4 * Math.floor(i / 6) + spark.geometry.index.array[i % 6]);
  const drawn = { value: 0 }; // Gaussians in all instances
  const geometry = new THREE.InstancedBufferGeometry();
  geometry.setAttribute("position", new THREE.BufferAttribute(corners, 3));
  geometry.setIndex(new THREE.BufferAttribute(indices, 1));
  Object.defineProperty(geometry, "instanceCount", {
    get: () => Math.ceil(drawn.value / QUADS),
    set: (count) => (drawn.value = count),
  });
  spark.geometry = geometry;
  spark.material.uniforms.drawn = drawn;
  spark.material.vertexShader = REPLACED.reduce((shader, [from, to]) => {
    if (!shader.includes(from)) throw new Error(`Spark's shader has no “${from}”: its version is not the pinned one.`);
    return shader.replaceAll(from, to);
  }, spark.material.vertexShader);
}

/** Return the renderer, its scene with the head, and the function that changes the weights. */
export function drawHead(canvas, rig) {
  const renderer = new THREE.WebGLRenderer({ canvas, antialias: false, alpha: false });
  const gl = renderer.getContext();
  const most = gl.getParameter(gl.MAX_ARRAY_TEXTURE_LAYERS); // one layer per component; at least 256, usually 2048
  if (rig.components > most) {
    throw new Error(`This head has ${rig.components} components, but this computer's GPU supports at most ${most}; use another computer.`);
  }
  const scene = new THREE.Scene();
  // as in the rasterizer of the fits: 0.3 px² added to the covariance, opacity unchanged, sorted by depth
  const spark = new SparkRenderer({
    renderer,
    fragmentShader: FRAGMENTS,
    preBlurAmount: BLUR,
    blurAmount: 0,
    maxStdDev: 3.33, // where an opaque Gaussian falls below 1/255
    minAlpha: 1 / 255,
    accumExtSplats: true,
    sortRadial: false,
    enableLod: false,
  });
  batchQuads(spark);
  scene.add(spark);
  const source = new HeadSource(rig);
  const mesh = new SplatMesh({ splats: source });
  scene.add(mesh);
  const setWeights = () => {
    source.setWeights();
    mesh.updateVersion();
  };
  // Fits reproduce images that are blurred by 0.3 px² of the photographs. From nearer that blur grows with the image;
  // without it Gaussians much smaller than those pixels, which no photograph resolves, would become dots.
  const soften = (magnification) => {
    spark.preBlurAmount = BLUR * Math.max(1, magnification) ** 2;
  };
  const setHeat = (component, most) => {
    source.setHeat(component, most);
    mesh.updateVersion();
  };
  const release = () => {
    renderer.dispose();
    renderer.forceContextLoss(); // browsers limit the number of contexts
  };
  return { renderer, scene, spark, setWeights, setHeat, soften, release };
}
